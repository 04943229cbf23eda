// The routes about people: logging in, users, API keys, typed.
import { ask, json, post, request } from "./http";

export type Role = "user" | "admin";
export type Scope = "read" | "write" | "live" | "admin";

export interface User {
  id: number;
  name: string;
  email: string | null;
  role: Role;
  disabled: boolean;
  must_change_password: boolean;
  can_log_in: boolean;
  created_at: string;
}

export interface Tokens {
  access_token: string;
  expires_in: number;
  /** Null: it is in the cookie. */
  refresh_token: string | null;
  user: User;
}

export interface ApiKey {
  id: string;
  user_id: number;
  name: string;
  hint: string;
  scopes: Scope[];
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface LoginSession {
  id: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  current: boolean;
}

const AUTH = "/api/v1/auth";
const USERS = "/api/v1/users";
const KEYS = "/api/v1/api-keys";

export function logIn(email: string, password: string, cookie: boolean): Promise<Tokens> {
  return ask(`${AUTH}/login`, json("POST", { email, password, cookie }), null);
}

/** `refreshToken` null: the one in the cookie. */
export function refreshTokens(refreshToken: string | null): Promise<Tokens> {
  return ask(`${AUTH}/refresh`, json("POST", refreshToken === null ? {} : { refresh_token: refreshToken }), null);
}

export function logOut(token: string | null): Promise<void> {
  return ask(`${AUTH}/logout`, json("POST", {}), token);
}

export function changePassword(current_password: string, new_password: string): Promise<void> {
  return post(`${AUTH}/password`, { current_password, new_password });
}

export function listSessions(): Promise<LoginSession[]> {
  return request(`${AUTH}/sessions`);
}

export function endSession(id: string): Promise<void> {
  return request(`${AUTH}/sessions/${encodeURIComponent(id)}`, { method: "DELETE" });
}

export function endOtherSessions(): Promise<void> {
  return request(`${AUTH}/sessions`, { method: "DELETE" });
}

export interface UsersPage {
  data: User[];
  total: number;
}

export function listUsers(page: number, perPage: number, q: string): Promise<UsersPage> {
  const parameters = new URLSearchParams({ page: String(page), per_page: String(perPage), ...(q === "" ? {} : { q }) });
  return request(`${USERS}?${parameters}`);
}

export function addUser(user: { email: string; name: string; role: Role; password: string }): Promise<User> {
  return post(USERS, user);
}

export function changeUser(id: number, changes: Partial<Pick<User, "name" | "email" | "role" | "disabled">>): Promise<User> {
  return request(`${USERS}/${id}`, json("PATCH", changes));
}

export function setPassword(id: number, password: string): Promise<void> {
  return request(`${USERS}/${id}/password`, json("PUT", { password }));
}

export function deleteUser(id: number): Promise<void> {
  return request(`${USERS}/${id}`, { method: "DELETE" });
}

export function listKeys(): Promise<ApiKey[]> {
  return request(KEYS);
}

export function addKey(key: { name: string; scopes: Scope[]; expires_in_days?: number }): Promise<ApiKey & { key: string }> {
  return post(KEYS, key);
}

export function revokeKey(id: string): Promise<void> {
  return request(`${KEYS}/${encodeURIComponent(id)}`, { method: "DELETE" });
}

export async function readTicket(): Promise<string> {
  return (await post<{ ticket: string }>("/api/v1/live/ticket", {})).ticket;
}
