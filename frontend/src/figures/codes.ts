// Why something became a dead letter, and what mends it, in words. The codes are those of docs/protocol.md.

export interface Reason {
  title: string;
  /** What was wrong with it. */
  why: string;
  /** What to do, so that it doesn't happen again. */
  mend: string;
  /** Whether the same bytes can be taken once somebody mended something on this side. */
  again: boolean;
}

const SENDER = "Mend it in the device's program. The same bytes would be refused again: discard them afterwards.";

function sender(title: string, why: string, mend = SENDER): Reason {
  return { title, why, mend, again: false };
}

function here(title: string, why: string, mend: string): Reason {
  return { title, why, mend, again: true };
}

const REASONS: Record<string, Reason> = {
  not_utf8: sender("Not text", "The message is not UTF-8."),
  not_json: sender("Not JSON", "The message is no valid JSON: often it was cut off, or is another format."),
  too_large: sender("Too large", "The message has more than 64 KiB.", "Let the device send fewer samples at once."),
  too_deep: sender("Nested too deeply", "The message has more than 8 levels of brackets."),
  too_many_samples: sender("Too many samples", "The message has more than 1,000 samples.", "Let the device send fewer samples at once."),
  bad_senml: sender("Not valid SenML", "The message looks like SenML (RFC 8428), but can't be read as such."),
  empty: sender("Nothing in it", "A sample has no metric with a value."),
  too_many_metrics: sender("Too many metrics", "A sample has more than 100 metrics."),
  device_mismatch: sender("Another device's ID", "The message names a device other than that of its topic."),
  bad_timestamp: sender("No usable time", "Its time can't be read, or lies before 2001: a clock that was never set.", "Set the device's clock, or let it send no time: then the time of receipt counts."),
  timestamp_out_of_window: here("Too old or in the future", "Its time lies outside what this server takes.", "Set the device's clock. If the times are right, raise TELEMETRIO_MAX_AGE_S or TELEMETRIO_MAX_AHEAD_S, then drive it again."),
  bad_metric_name: sender("Bad metric name", "A name is a letter, then up to 63 letters, digits, _ . or -; some are reserved."),
  unknown_metric: here("Metric not in the profile", "The device's profile takes no metric of this name.", "Add the metric to the profile, open the profile, or give the device another one; then drive it again."),
  wrong_type: here("Wrong type", "A metric has another type than the device's profile declares.", "Mend the profile or the device. After a change of the profile, drive it again."),
  nested: sender("Value within a value", "A metric is a list or an object; it must be a number, a text, or true or false."),
  not_finite: sender("Not a number", "A metric is NaN or infinite: usually a sensor that failed."),
  number_too_large: sender("Number too large", "A metric is beyond what a 64-bit number can hold exactly."),
  string_too_long: sender("Text too long", "A text has more than 1 KiB."),
  out_of_range: here("Out of range", "A metric is below the minimum or above the maximum of the device's profile.", "If the value is right, widen the range in the profile, then drive it again."),
  bad_device_id: sender("Bad device ID", "The topic has no valid device ID: 1 to 128 letters, digits and . _ : -"),
  unknown_device: here("Unknown device", "Nobody has added this device.", "Add the device, then drive its letters again."),
  device_disabled: here("Device disabled", "The device is disabled: what it sends is refused.", "Enable the device, then drive its letters again."),
  rate_limited: sender("Too fast", "The device sent more than its rate allows; only the number of messages is kept.", "Let it send less, or raise TELEMETRIO_DEVICE_MESSAGES_PER_S. These can't be driven again: their bytes were not kept."),
  store_refused: here("Refused by the store", "The time-series store would not take this reading: often a field that has another type there, or a time beyond its retention.", "Mend the store's schema or retention, then drive it again."),
  damaged: sender("Lost with a damaged file", "A part of ingest's file could not be read; these entries are only counted.", "Look at the disk. There is nothing to drive again."),
};

export function reasonOf(code: string): Reason {
  return REASONS[code] ?? sender(code.replaceAll("_", " "), "This server has a reason that this page does not know.", "See docs/protocol.md for what it means.");
}

export const KNOWN_CODES: readonly string[] = Object.keys(REASONS);
