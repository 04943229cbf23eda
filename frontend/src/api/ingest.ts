// What ingest tells of itself: its books, and how long each stage of the flow takes.
import { api } from "./http";
import type { routes } from "./http";

export type BookTotals = routes.Counters;
export type StageTimes = routes.Stage;
export type StageSource = routes.StagesOfSource;

export async function readTotals(): Promise<BookTotals> {
  return (await api.get("/api/v1/ingest/books")).total;
}

export async function readStages(): Promise<StageSource[]> {
  return (await api.get("/api/v1/ingest/stages")).sources;
}
