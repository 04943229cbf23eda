// What a server says of itself to everybody.
import { anonymous } from "./http";
import type { Answer } from "./http";

export type About = Answer<"GET /api/v1/about">;

export function readAbout(): Promise<About> {
  return anonymous.get("/api/v1/about");
}
