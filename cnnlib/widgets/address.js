// Settings in a page's address: "#size-calculator.n=32&conv-explorer-2.padding=same" sets the page's second explorer.
// No DOM. `places` are the page's calculators: id -> {start, state, schema}, the page's own settings and those of now.
// Anyone can write an address, so a value counts only where its schema (a trait's `schema()` in Python) takes it.

// The part of JSON Schema that our traits use.
export function fitsSchema(value, { type, enum: words, anyOf, minimum, maximum, minItems, maxItems, items, properties, required = [] }) {
  const inside = (x, low = -Infinity, high = Infinity) => low <= x && x <= high;
  if (anyOf) return anyOf.some((schema) => fitsSchema(value, schema));
  if (words) return words.includes(value);
  switch (type) {
    case "integer": return Number.isInteger(value) && inside(value, minimum, maximum);
    case "number": return Number.isFinite(value) && inside(value, minimum, maximum);
    case "array": return isList(value) && inside(value.length, minItems, maxItems) && value.every((item) => fitsSchema(item, items));
    case "object": return value?.constructor === Object && required.every((key) => Object.hasOwn(value, key)) &&
      entries(value).every(([key, item]) => Object.hasOwn(properties, key) && fitsSchema(item, properties[key]));
    default: return typeof value === type;
  }
}
// What a schema takes, in words.
export function schemaWords({ type, enum: words, anyOf, minimum = "−∞", maximum = "∞" }) {
  if (anyOf) return [...new Set(anyOf.map(schemaWords))].join(" / ");
  return words ? words.join(" / ") : ui.fill(STRINGS.address[type], { minimum, maximum });
}

// Text stays as it is, unless it would be read as something else; the rest is JSON.
const addressValue = (text) => { try { return JSON.parse(text); } catch { return text; } };
const addressText = (value) => typeof value === "string" && addressValue(value) === value ? value : JSON.stringify(value);

// What an address says: {settings: id -> {setting: value}, problems: [text]}; null where it is about something else.
export function readAddress(hash, places) {
  const settings = {}, problems = [];
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [, id, key, text] = /^([a-z-]+(?:-\d+)?)\.(\w+)=(.*)$/.exec(part) ?? [];
    if (!Object.hasOwn(places, id)) continue;
    let value = text;
    try { value = addressValue(decodeURIComponent(text)); } catch { /* a stray %: no schema takes it */ }
    const { schema } = places[id], known = Object.hasOwn(schema, key);
    (settings[id] ??= {});
    if (known && fitsSchema(value, schema[key])) settings[id][key] = value;
    else problems.push(`${id}.${key}=${addressText(value)} (${known ? schemaWords(schema[key]) : Object.keys(schema).join(", ")})`);
  }
  return Object.keys(settings).length ? { settings, problems } : null;
}
// The address of the settings that differ from the page's own; "" where none does.
export function writeAddress(places) {
  const parts = entries(places).flatMap(([id, { start, state }]) => Object.keys(start).filter((key) => !ui.same(start[key], state[key]))
    .map((key) => `${id}.${key}=${encodeURIComponent(addressText(state[key])).replace(/%2C/g, ",")}`));
  return parts.length ? `#${parts.join("&")}` : "";
}
