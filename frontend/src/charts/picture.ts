// The charts as they are on the screen, as one picture to keep or to send.

export interface PanelPicture {
  canvas: HTMLCanvasElement;
  title: string;
  legend: { text: string; colour: string; dashed: boolean }[];
}

export interface PictureWishes {
  title: string;
  subtitle: string;
  panels: PanelPicture[];
  colours: { background: string; ink: string; quiet: string };
}

const PAD = 20;
const HEAD = 56;
const CAPTION = 30;
const FONT = "system-ui, sans-serif";

export async function pictureOf({ title, subtitle, panels, colours }: PictureWishes): Promise<Blob> {
  const ratio = devicePixelRatio;
  const width = Math.max(...panels.map(({ canvas }) => canvas.width)) / ratio + 2 * PAD;
  const height = panels.reduce((sum, { canvas }) => sum + canvas.height / ratio + CAPTION, HEAD + 2 * PAD);
  const whole = document.createElement("canvas");
  whole.width = Math.round(width * ratio);
  whole.height = Math.round(height * ratio);
  const ctx = whole.getContext("2d");
  if (ctx === null) throw new Error("This browser gives no canvas to draw on.");
  ctx.scale(ratio, ratio);
  ctx.fillStyle = colours.background;
  ctx.fillRect(0, 0, width, height);
  write(ctx, title, PAD, PAD + 18, `650 18px ${FONT}`, colours.ink);
  write(ctx, subtitle, PAD, PAD + 40, `13px ${FONT}`, colours.quiet);
  let y = PAD + HEAD;
  for (const panel of panels) {
    caption(ctx, panel, y, colours);
    ctx.drawImage(panel.canvas, PAD, y + CAPTION, panel.canvas.width / ratio, panel.canvas.height / ratio);
    y += CAPTION + panel.canvas.height / ratio;
  }
  return await new Promise((resolve, reject) => {
    whole.toBlob((blob) => (blob === null ? reject(new Error("The picture is too large for this browser.")) : resolve(blob)), "image/png");
  });
}

function caption(ctx: CanvasRenderingContext2D, { title, legend }: PanelPicture, y: number, colours: PictureWishes["colours"]): void {
  let x = PAD + write(ctx, title, PAD, y + 20, `620 14px ${FONT}`, colours.ink) + 18;
  for (const { text, colour, dashed } of legend) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = 2;
    ctx.setLineDash(dashed ? [5, 4] : []);
    ctx.beginPath();
    ctx.moveTo(x, y + 15);
    ctx.lineTo(x + 22, y + 15);
    ctx.stroke();
    x += 28 + write(ctx, text, x + 28, y + 20, `13px ${FONT}`, colours.quiet) + 18;
  }
  ctx.setLineDash([]);
}

function write(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, font: string, colour: string): number {
  ctx.font = font;
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
  return ctx.measureText(text).width;
}
