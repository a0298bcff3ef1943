// Keeps one connection of DuckDB's own driver for Node open, and answers the query of each line.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// The driver lies where NODE_PATH says, which an import does not look at.
const { DuckDBInstance } = createRequire(import.meta.url)("@duckdb/node-api");

const instance = await DuckDBInstance.create(process.argv[2], { access_mode: "READ_ONLY" });
const connection = await instance.connect();
for await (const line of createInterface({ input: process.stdin })) {
    const found = await connection.runAndReadAll(line);
    console.log(String(found.getRows()[0][0]));
}
