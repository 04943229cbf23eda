// One clock for every "3 s ago" on the page, by the server's time.
import { readonly, ref } from "vue";
import { serverNow } from "../api/http";

const ticking = ref(serverNow());
setInterval(() => {
  ticking.value = serverNow();
}, 1000);

export const now = readonly(ticking);
