import { readFileSync } from "node:fs";

const file = new URL("../../package.json", import.meta.url);

/** This checkout's version, as package.json has it. */
export const version: string = (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
