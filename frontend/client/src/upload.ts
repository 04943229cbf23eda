// A body that is no JSON: a file, and what kind of file it is.

export interface Upload<Kind extends string> {
  contentType: Kind;
  content: BodyInit;
}

export function isUpload(body: unknown): body is Upload<string> {
  return typeof body === "object" && body !== null && "contentType" in body && "content" in body;
}
