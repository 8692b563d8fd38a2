// Export buttons. The key goes in a header, so the file is fetched here and then handed over.

import { announce, button, el, save } from "./dom.mjs";
import { inWords } from "./api.mjs";

const FORMATS = { ndjson: "application/x-ndjson", csv: "text/csv" };

/** Buttons that save all events of a filter, and a line that says how it went. */
export function exportButtons(api, query, name) {
  const said = el("span", { class: "small" });
  const tell = (text) => {
    said.textContent = text;
    announce(text);
  };
  const run = async (format, pressed) => {
    pressed.disabled = true;
    tell("Exporting…");
    try {
      const file = await api.file("v1/audit/events/export", { ...query, format });
      save(new Blob([file], { type: FORMATS[format] }), `grantlog-${name.replaceAll(/[^\w.-]+/g, "_")}.${format}`);
      tell(`Saved ${file.size.toLocaleString("en")} bytes.`);
    } catch (error) {
      tell(`It was not exported: ${inWords(error)}`);
    }
    pressed.disabled = false;
  };
  const save_as = (format) => {
    const own = button(`Export ${format.toUpperCase()}`, () => run(format, own), { class: "quiet" });
    return own;
  };
  return el("div", { class: "buttons" }, save_as("ndjson"), save_as("csv"), said);
}
