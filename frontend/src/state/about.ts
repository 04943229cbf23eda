// What this server says of itself: where its broker listens.
import { shallowRef } from "vue";
import { readAbout } from "../api/routes";

const USUAL_PORT = 1883;

export const mqttPort = shallowRef(USUAL_PORT);

export async function startAbout(): Promise<void> {
  try {
    mqttPort.value = (await readAbout()).mqtt_port ?? USUAL_PORT;
  } catch {
    // only the lines to copy depend on it, and they name the port in plain sight
  }
}
