// Passwords that are good for one login: 80 bits, in groups that can be read out.

const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS = 4;
const IN_GROUP = 4;

/** `random` fills an array with bytes; bytes past the last whole round are thrown again, so that every letter is as likely. */
export function oneTimePassword(random: (bytes: Uint8Array<ArrayBuffer>) => unknown = (bytes) => crypto.getRandomValues(bytes)): string {
  const fair = 256 - (256 % LETTERS.length);
  let letters = "";
  while (letters.length < GROUPS * IN_GROUP) {
    const bytes = new Uint8Array(GROUPS * IN_GROUP);
    random(bytes);
    for (const byte of bytes) if (byte < fair) letters += LETTERS.charAt(byte % LETTERS.length);
  }
  const group = (at: number): string => letters.slice(at * IN_GROUP, (at + 1) * IN_GROUP);
  return Array.from({ length: GROUPS }, (_, at) => group(at)).join("-");
}
