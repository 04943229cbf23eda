// What ingest tells of itself: how long each stage of the flow takes.
import { request } from "./http";

export interface StageTimes {
  stage: "device" | "commit" | "store";
  p50_ms: number;
  p99_ms: number;
  n: number;
}

export interface StageSource {
  source: string;
  stages: StageTimes[];
  age_s: number;
}

export async function readStages(): Promise<StageSource[]> {
  return (await request<{ sources: StageSource[] }>("/api/v1/ingest/stages")).sources;
}
