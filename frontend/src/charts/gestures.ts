// Dragging, pinching, wheels and keys over the charts, as three wishes: pick a stretch, pan, zoom.

export interface GestureWishes {
  timeAt(clientX: number): number;
  msPerPx(): number;
  /** A stretch is being drawn, in pixels from the left edge; null: no longer. */
  marking(stretch: [number, number] | null): void;
  pick(one: number, other: number): void;
  pan(byMs: number): void;
  zoom(factor: number, at: number): void;
  /** Back to the live picture. */
  follow(): void;
  /** The wheel was turned without a sign that the chart is meant: the page scrolls. */
  scrolled(): void;
}

const DRAG_FROM_PX = 4;
const WHEEL_STEP = 0.0016;
const MOST_WHEEL_PX = 240;
const LINE_PX = 16;
const KEY_PAN = 0.2;
const KEY_ZOOM = 1.5;

export class Gestures {
  private readonly pointers = new Map<number, PointerEvent>();
  private startX: number | null = null;
  private dragging: "mark" | "pan" | null = null;
  private readonly stop = new AbortController();

  constructor(
    private readonly element: HTMLElement,
    private readonly wishes: GestureWishes,
  ) {
    const { signal } = this.stop;
    element.addEventListener("pointerdown", (event) => this.down(event), { signal });
    element.addEventListener("pointermove", (event) => this.move(event), { signal });
    element.addEventListener("pointerup", (event) => this.up(event), { signal });
    element.addEventListener("pointercancel", (event) => this.cancel(event), { signal });
    element.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    element.addEventListener("keydown", (event) => this.key(event), { signal });
    element.addEventListener("dblclick", () => wishes.follow(), { signal });
  }

  close(): void {
    this.stop.abort();
  }

  private down(event: PointerEvent): void {
    if (event.pointerType === "mouse" && event.button > 1) return;
    this.pointers.set(event.pointerId, event);
    this.startX = event.clientX;
    if (event.button === 1) event.preventDefault();
  }

  private move(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) return;
    if (this.pointers.size > 1) this.pinch(before, event);
    else this.drag(before, event);
    if (this.dragging !== null || this.pointers.size > 1) this.pointers.set(event.pointerId, event);
  }

  private drag(before: PointerEvent, event: PointerEvent): void {
    const start = this.startX ?? event.clientX;
    if (this.dragging === null) {
      if (Math.abs(event.clientX - start) < DRAG_FROM_PX) return;
      const panning = event.pointerType === "touch" || event.shiftKey || (event.buttons & 4) !== 0;
      this.dragging = panning ? "pan" : "mark";
      this.element.setPointerCapture(event.pointerId);
    }
    if (this.dragging === "pan") this.wishes.pan((before.clientX - event.clientX) * this.wishes.msPerPx());
    else this.wishes.marking([Math.min(start, event.clientX), Math.max(start, event.clientX)]);
  }

  private pinch(before: PointerEvent, event: PointerEvent): void {
    const other = [...this.pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    if (other === undefined) return;
    this.dragging = "pan";
    const [was, is] = [Math.abs(before.clientX - other.clientX), Math.abs(event.clientX - other.clientX)];
    if (was > 8 && is > 8) this.wishes.zoom(was / is, this.wishes.timeAt(other.clientX));
  }

  private up(event: PointerEvent): void {
    const start = this.startX;
    if (this.dragging === "mark" && start !== null && this.pointers.has(event.pointerId)) {
      this.wishes.pick(this.wishes.timeAt(start), this.wishes.timeAt(event.clientX));
    }
    this.cancel(event);
  }

  private cancel(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size > 0) return;
    this.dragging = null;
    this.startX = null;
    this.wishes.marking(null);
  }

  /** A pinch on a touchpad is a wheel with Ctrl. A plain wheel is the page's, unless the chart has the focus. */
  private wheel(event: WheelEvent): void {
    const scale = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (sideways || event.shiftKey) {
      event.preventDefault();
      this.wishes.pan((event.deltaX || event.deltaY) * scale * this.wishes.msPerPx());
    } else if (event.ctrlKey || event.metaKey || this.element.contains(document.activeElement)) {
      event.preventDefault();
      const turned = Math.min(MOST_WHEEL_PX, Math.max(-MOST_WHEEL_PX, event.deltaY * scale));
      this.wishes.zoom(Math.exp(turned * WHEEL_STEP), this.wishes.timeAt(event.clientX));
    } else {
      this.wishes.scrolled();
    }
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { left, right } = this.element.getBoundingClientRect();
    const step = KEY_PAN * (right - left) * this.wishes.msPerPx();
    const middle = this.wishes.timeAt((left + right) / 2);
    const acts: Record<string, () => void> = {
      ArrowLeft: () => this.wishes.pan(-step),
      ArrowRight: () => this.wishes.pan(step),
      "+": () => this.wishes.zoom(1 / KEY_ZOOM, middle),
      "=": () => this.wishes.zoom(1 / KEY_ZOOM, middle),
      "-": () => this.wishes.zoom(KEY_ZOOM, middle),
      Home: () => this.wishes.follow(),
    };
    const act = acts[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }
}
