// A table of devices that follows what they measure, in plain JavaScript. The server to ask is in the address:
// live.html?server=http://localhost:5000. It lets pages of http://localhost:5173 to 5177 in, others by TELEMETRIO_CORS_ORIGINS.
const server = new URLSearchParams(location.search).get("server") ?? "http://localhost:5000";

const stateLine = document.querySelector("#state");
const table = document.querySelector("#devices");
const empty = document.querySelector("#empty");
const rows = new Map();

function rowOf(deviceId) {
  let row = rows.get(deviceId);
  if (row === undefined) {
    row = { line: table.insertRow(), timestamp: "", values: {}, count: 0 };
    row.line.dataset.device = deviceId;
    for (let i = 0; i < 4; i += 1) row.line.insertCell();
    row.line.cells[0].textContent = deviceId;
    row.line.cells[3].className = "number";
    rows.set(deviceId, row);
    empty.hidden = true;
  }
  return row;
}

/** Late data is history: the newest timestamp is the value of now. */
function show({ device_id, timestamp, values }, counts) {
  const row = rowOf(device_id);
  row.count += counts;
  if (timestamp >= row.timestamp) {
    row.timestamp = timestamp;
    row.values = { ...row.values, ...values };
  }
  const told = Object.entries(row.values).map(([metric, value]) => `${metric} ${value}`);
  const [, time, seen, count] = row.line.cells;
  time.textContent = new Date(row.timestamp).toLocaleTimeString();
  seen.textContent = told.join(", ");
  count.textContent = String(row.count);
}

const sentences = {
  connecting: () => "connecting",
  live: () => "live",
  reconnecting: () => "reconnecting; nothing will be missed",
  offline: () => "no network",
  paused: () => "catching up",
  ended: (state) => state.error?.message ?? "ended",
};

async function start() {
  const { connect } = await import(new URL("/client.js", server).href);
  connect(server).subscribe(
    { devices: "*" },
    {
      state({ state }) {
        stateLine.dataset.phase = state.phase;
        stateLine.textContent = sentences[state.phase](state);
      },
      snapshot: ({ readings }) => readings.forEach((reading) => show(reading, 0)),
      readings: ({ readings }) => readings.forEach((reading) => show(reading, 1)),
    },
  );
}

start().catch((error) => {
  stateLine.textContent = `${server} does not let this page in, or does not answer: ${error.message}`;
});
