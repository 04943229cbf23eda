// What can go wrong, in three classes: the API said no, nothing usable came back, a subscription can't go on.

export interface FieldError {
  field: string;
  code: string;
  message: string;
}

/** The API answered, and said no. `code` does not change with the wording; `details` names each wrong field. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: readonly FieldError[] = [],
    /** Also in the server's log. */
    readonly requestId: string | null = null,
    /** When the server wants to be asked again, where it said so: with 429, too often. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}

/** Nothing usable came back: the server, something it needs, or the network is away. Later it may work. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor(
    message: string,
    options?: ErrorOptions,
    /** The API's own word for it, where it had one: `store_unavailable`. */
    readonly code: string | null = null,
    /** When the server wants to be asked again, where it said so. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message, options);
  }
}

/** A subscription that can't go on by itself; `code` is the server's word, or the code with which it closed. */
export class LiveError extends Error {
  override readonly name = "LiveError";

  constructor(
    readonly code: string | number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
