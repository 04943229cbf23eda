// Commands to try, as a terminal takes them.
import type { Values } from "../live/messages";

/** `mosquitto_pub` for the broker on `mqttPort` of the host that served this page; with a login, if it needs one. */
export function publishLine(
  deviceId: string,
  values: Values,
  mqttPort: number,
  host: string = location.hostname,
  password?: string,
): string {
  const name = host === "localhost" || host === "" ? "127.0.0.1" : host.replace(/^\[(.*)\]$/, "$1");
  const body = JSON.stringify(values, null, 1).replaceAll(/\n\s*/g, " ").replace(/^\{ /, "{").replace(/ \}$/, "}");
  const login = password === undefined ? "" : ` -u ${deviceId} -P ${password}`;
  return `mosquitto_pub -h ${name} -p ${mqttPort}${login} -t iot/devices/${deviceId}/data -m '${body.replaceAll("'", String.raw`'\''`)}'`;
}

/** A small fleet for ten minutes, against this server. */
export function simulateLine(mqttPort: number, port: string = location.port): string {
  const elsewhere = port === "5000" && mqttPort === 1883 ? "" : ` --port ${port} --mqtt-port ${mqttPort}`;
  return `telemetrio simulate --devices 5 --rate 5 --seconds 600${elsewhere}`;
}
