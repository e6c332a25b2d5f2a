"use strict";
/* Runs synthesis in a worker. */

/** Synthesizes in a worker if possible, so that the page stays responsive. */
class Engine {
  constructor(synthesizer, header, text) {
    this.waiting = new Map(); // of each purpose the newest request only
    this.synthesizer = synthesizer;
    try {
      const code = new Blob([document.getElementById("synthesis").textContent], { type: "text/javascript" });
      this.worker = new Worker(URL.createObjectURL(code));
      this.worker.postMessage({ start: { header, text } });
      this.worker.onmessage = ({ data }) => this.done(data);
      this.worker.onerror = () => { this.worker = null; if (this.current) this.run(this.current); };
    } catch { this.worker = null; } // not allowed where the page is shown
  }

  /** Returns a result of `at` or `between`. A newer request for the same purpose cancels an older one. */
  ask(purpose, method, ...args) {
    return new Promise((resolve) => {
      this.waiting.set(purpose, { method, args, resolve });
      this.next();
    });
  }

  next() {
    if (this.current || !this.waiting.size) return;
    const purpose = ["probe", "walk", "track"].find((name) => this.waiting.has(name));
    this.current = this.waiting.get(purpose);
    this.waiting.delete(purpose);
    this.run(this.current);
  }

  run({ method, args }) {
    if (this.worker) this.worker.postMessage({ method, args });
    else {
      setTimeout(() => {
        try {
          this.done({ result: this.synthesizer[method](...args) });
        } catch (error) {
          this.done({ error: String(error) });
        }
      }, 0);
    }
  }

  done({ result, error }) {
    const { resolve } = this.current;
    this.current = null;
    if (error === undefined) resolve(result);
    else byId("probe-text").textContent = `The synthesis failed: ${error}`;
    this.next();
  }
}
