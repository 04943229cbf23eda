// What this server says of itself: where its broker listens.
import { computed } from "vue";
import { useSession } from "./session";

const USUAL_PORT = 1883;

export const mqttPort = computed(() => useSession().about?.mqtt_port ?? USUAL_PORT);
