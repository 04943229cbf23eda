// The routes about people: logging in, users, API keys.
import { Refused, anonymous, api } from "./http";
import type { Answer, Question, routes } from "./http";

export type User = routes.User;
export type Role = User["role"];
export type ApiKey = routes.Key;
export type Scope = ApiKey["scopes"][number];
export type LoginSession = routes.OwnSession;
export type Tokens = Answer<"POST /api/v1/auth/login">;
export type UserChange = Question<"PATCH /api/v1/users/{user_id}">["body"];

const FORBIDDEN = 403;

export function logIn(email: string, password: string, cookie: boolean): Promise<Tokens> {
  return anonymous.post("/api/v1/auth/login", { body: { email, password, cookie } });
}

/** `refresh_token` null: the one in the cookie. */
export function refreshTokens(refresh_token: string | null): Promise<Tokens> {
  return anonymous.post("/api/v1/auth/refresh", { body: refresh_token === null ? {} : { refresh_token } });
}

export function logOut(): Promise<void> {
  return api.post("/api/v1/auth/logout", { body: {} });
}

export function changePassword(current_password: string, new_password: string): Promise<void> {
  return api.post("/api/v1/auth/password", { body: { current_password, new_password } });
}

export function listSessions(): Promise<LoginSession[]> {
  return api.get("/api/v1/auth/sessions");
}

export function endSession(session_id: string): Promise<void> {
  return api.delete("/api/v1/auth/sessions/{session_id}", { path: { session_id } });
}

export function endOtherSessions(): Promise<void> {
  return api.delete("/api/v1/auth/sessions");
}

export function listUsers(page: number, per_page: number, q: string): Promise<Answer<"GET /api/v1/users">> {
  return api.get("/api/v1/users", { query: { page, per_page, q: q || undefined } });
}

/** Only administrators may ask who somebody is; for everybody else what they see is their own. */
export async function ownerName(user_id: number): Promise<string> {
  try {
    const found = await api.get("/api/v1/users/{user_id}", { path: { user_id } });
    return found.name || found.email || `user ${user_id}`;
  } catch (error) {
    return error instanceof Refused && error.status === FORBIDDEN ? "you" : `user ${user_id}`;
  }
}

export function addUser(user: Question<"POST /api/v1/users">["body"]): Promise<User> {
  return api.post("/api/v1/users", { body: user });
}

export function changeUser(user_id: number, changes: UserChange): Promise<User> {
  return api.patch("/api/v1/users/{user_id}", { path: { user_id }, body: changes });
}

export function setPassword(user_id: number, password: string): Promise<void> {
  return api.put("/api/v1/users/{user_id}/password", { path: { user_id }, body: { password } });
}

export function deleteUser(user_id: number): Promise<void> {
  return api.delete("/api/v1/users/{user_id}", { path: { user_id } });
}

export function listKeys(): Promise<ApiKey[]> {
  return api.get("/api/v1/api-keys");
}

export function addKey(key: Question<"POST /api/v1/api-keys">["body"]): Promise<Answer<"POST /api/v1/api-keys">> {
  return api.post("/api/v1/api-keys", { body: key });
}

export function revokeKey(key_id: string): Promise<void> {
  return api.delete("/api/v1/api-keys/{key_id}", { path: { key_id } });
}

export async function readTicket(): Promise<string> {
  return (await api.post("/api/v1/live/ticket", { body: {} })).ticket;
}
