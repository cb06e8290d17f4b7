// ONNX Runtime Web, one thread, without WebGPU; loaded, with the model, when the first picture comes.

import { bytes as inWords } from "../format.js";

let loading = null; // a promise of {session, Tensor}; forgotten when it fails, so that the next picture tries again

/** Probabilities of all classes for an input (1, C, H, W). Throws where WebAssembly or the model cannot be had. */
export async function probabilities(values, shape, places, tell) {
  loading ??= load(places, tell).catch((error) => {
    loading = null;
    throw error;
  });
  const { session, Tensor } = await loading;
  const [name] = session.inputNames;
  const answers = await session.run({ [name]: new Tensor("float32", values, [1, ...shape]) });
  return softmax([...answers[session.outputNames[0]].data]);
}

async function load({ runtime, wasm, onnx, onnxBytes }, tell) {
  if (typeof WebAssembly !== "object") throw new Error("no WebAssembly");
  tell(`Loading the model, ${inWords(onnxBytes)}, and ONNX Runtime.`);
  const [ort, binary, model] = await Promise.all([import(runtime), unpacked(wasm), fetched(onnx)]);
  Object.assign(ort.env, { logLevel: "error" });
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: binary });
  return { session: await ort.InferenceSession.create(model, { executionProviders: ["wasm"] }), Tensor: ort.Tensor };
}

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** The WebAssembly lies packed on the server; some servers send it as packed by the way, and it comes unpacked. */
async function unpacked(url) {
  const content = await fetched(url);
  if (content[0] !== 0x1f || content[1] !== 0x8b) return content;
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export function softmax(logits) {
  const largest = Math.max(...logits);
  const shares = logits.map((value) => Math.exp(value - largest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}
