// Speak through a running `resay serve` with Node 18 or newer.  RESAY_URL and RESAY_KEY say where and with which key.
//   node examples/client.mjs "Good morning. 早上好。" out.wav
import { writeFile } from "node:fs/promises";

const { RESAY_URL = "http://127.0.0.1:8080", RESAY_KEY = "none", RESAY_VOICE = "ada" } = process.env;
const [text, file] = process.argv.slice(2);
const answer = await fetch(`${RESAY_URL}/v1/audio/speech`, {
  method: "POST",
  headers: { Authorization: `Bearer ${RESAY_KEY}`, "Content-Type": "application/json" },
  body: JSON.stringify({ model: "resay", voice: RESAY_VOICE, input: text, response_format: "wav", seed: 100 }),
});
if (!answer.ok) throw new Error((await answer.json()).error.message);
await writeFile(file, Buffer.from(await answer.arrayBuffer()));
console.log(`seed ${answer.headers.get("x-resay-seed")}, manifest ${answer.headers.get("x-resay-manifest")}`);
