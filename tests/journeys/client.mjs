// Tells every event as a line of JSON. Words: the server's address, and an API key if one is needed ("none": don't show it).
import { connect } from "./client.mjs";

const [url, key] = process.argv.slice(2);
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const client = connect(url, key && key !== "none" ? { token: () => key } : {});

try {
  if (key && key !== "none") tell({ type: "devices", count: (await client.api.get("/api/devices")).length });
  for await (const event of client.subscribe().events()) tell(event);
} catch (error) {
  tell({ type: "failed", code: error.code, message: error.message });
  process.exit(1);
}
