// Commands to try, as a terminal takes them.
import type { Values } from "../live/messages";

export interface Login {
  username: string;
  password: string;
}

/**
 * `mosquitto_pub` for the broker on `mqttPort` of the host that served this page; with a login, if it needs one. A broker that
 * gives each credential a user name of its own tells the device by its client id.
 */
export function publishLine(
  deviceId: string,
  values: Values,
  mqttPort: number,
  host: string = location.hostname,
  login?: Login,
): string {
  const name = host === "localhost" || host === "" ? "127.0.0.1" : host.replace(/^\[(.*)\]$/, "$1");
  const body = JSON.stringify(values, null, 1).replaceAll(/\n\s*/g, " ").replace(/^\{ /, "{").replace(/ \}$/, "}");
  const client = login === undefined || login.username === deviceId ? "" : ` -i ${deviceId}`;
  const proof = login === undefined ? "" : `${client} -u ${login.username} -P ${login.password}`;
  return `mosquitto_pub -h ${name} -p ${mqttPort}${proof} -t iot/devices/${deviceId}/data -m '${body.replaceAll("'", String.raw`'\''`)}'`;
}

/** A small fleet for ten minutes, against this server. */
export function simulateLine(mqttPort: number, port: string = location.port): string {
  const elsewhere = port === "5000" && mqttPort === 1883 ? "" : ` --port ${port} --mqtt-port ${mqttPort}`;
  return `telemetrio simulate --devices 5 --rate 5 --seconds 600${elsewhere}`;
}
