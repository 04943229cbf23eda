// A WebSocket that first gets itself a ticket. Without one it closes, as any other that could not be opened.
import type { Socket } from "./client";

export class TicketedSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  private socket: WebSocket | null = null;
  private closed = false;

  constructor(address: string, ticket: () => Promise<string>) {
    void this.open(address, ticket);
  }

  send(data: string): void {
    this.socket?.send(data);
  }

  close(): void {
    this.closed = true;
    this.socket?.close();
  }

  private async open(address: string, ticket: () => Promise<string>): Promise<void> {
    try {
      const shown = await ticket();
      if (!this.closed) this.connect(new WebSocket(`${address}?ticket=${encodeURIComponent(shown)}`));
    } catch {
      // no ticket: a session that has ended is told by its own, everything else is tried again
      if (!this.closed) this.tell("onclose", new CloseEvent("close"));
    }
  }

  private connect(socket: WebSocket): void {
    this.socket = socket;
    socket.onmessage = (event) => this.tell("onmessage", event);
    socket.onclose = (event) => this.tell("onclose", event);
    socket.onerror = (event) => this.tell("onerror", event);
  }

  private tell<K extends "onmessage" | "onclose" | "onerror">(name: K, event: Parameters<NonNullable<Socket[K]>>[0]): void {
    (this[name] as ((event: unknown) => void) | null)?.(event);
  }
}
