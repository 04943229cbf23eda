// How much history the charts show, in seconds; kept while one looks from device to device.
import { ref } from "vue";

export const remembered = ref(900);
