// Starts a whole Bluesky network on loopback, and prints the address of its PDS as JSON.
// Run it in the directory that contains node_modules. It ends when its standard input is closed.
"use strict";

const { createRequire } = require("node:module");
const dns = require("node:dns");
const net = require("node:net");
const path = require("node:path");

// All servers of the package listen on all interfaces; this makes them listen on loopback only.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const [first] = args;
  if (typeof first === "object" && first !== null && "port" in first) {
    return listen.call(this, { ...first, host: "127.0.0.1" }, ...args.slice(1));
  }
  if (first === undefined || typeof first === "number" || typeof first === "string") {
    const done = args.find((each) => typeof each === "function");
    return listen.call(this, { port: Number(first || 0), host: "127.0.0.1" }, done);
  }
  return listen.apply(this, args);
};
dns.setDefaultResultOrder("ipv4first");

const load = createRequire(path.join(process.cwd(), "package.json"));

// The PostgreSQL of the tests lacks the extension pg_trgm, which serves only indexes for searching
// people by parts of their names.
const { Client } = load("pg");
const query = Client.prototype.query;
Client.prototype.query = function (first, ...rest) {
  const change = (sql) =>
    /create extension .*pg_trgm/i.test(sql)
      ? "select 1"
      : sql.replace(/using "?gist"? \((.*) gist_trgm_ops\)/i, "($1)");
  if (typeof first === "string") return query.call(this, change(first), ...rest);
  if (first && typeof first.text === "string") first.text = change(first.text);
  return query.call(this, first, ...rest);
};

const { TestNetwork } = load("@atproto/dev-env");

async function main() {
  const network = await TestNetwork.create({
    dbPostgresUrl: process.env.DB_POSTGRES_URL,
    dbPostgresSchema: "network",
    pds: { port: Number(process.env.PDS_PORT) },
  });
  process.stdout.write(`${JSON.stringify({ pds: network.pds.url })}\n`);
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
