// What the package offers.
export { Api } from "./api.js";
export type { Answer, ApiOptions, Method, PathOf, Question, Route } from "./api.js";
export { Client, connect } from "./connect.js";
export type { ConnectOptions } from "./connect.js";
export { LiveError, Refused, Unreachable } from "./errors.js";
export type { FieldError } from "./errors.js";
export type * from "./events.js";
export type * as messages from "./generated/messages.js";
export type * as routes from "./generated/routes.js";
export type { ConnectionState } from "./line.js";
export type { Stream } from "./stream.js";
export type { SubscribeOptions, Subscription } from "./subscription.js";
export type { Upload } from "./upload.js";
