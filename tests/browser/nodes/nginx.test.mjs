// The whole file that deploy/ offers for nginx, as nginx itself reads it. That it serves is seen in nodes.test.mjs.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const deploy = fileURLToPath(new URL("../../../deploy/nginx/", import.meta.url));

/** Runs a program to its end; gives its exit code and all that it said. */
function run(program, ...args) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error) throw error;
  return { status, said: stdout + stderr };
}

/** The file with its certificate in the folder, and listening there: nginx binds what it names even to look at it. */
async function placed(folder) {
  const text = await readFile(join(deploy, "lyceum.conf"), "utf8");
  let count = 0;
  return text
    .replaceAll("/etc/letsencrypt/live/learn.example.org/", `${folder}/`)
    .replaceAll(/\blisten [^\s;]+/g, () => `listen unix:${folder}/${(count += 1)}.sock`);
}

test("nginx takes the files of deploy/ as they are", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lyceum-nginx-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const made = run(
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=learn.example.org", "-keyout", join(folder, "privkey.pem"), "-out", join(folder, "fullchain.pem"),
  );
  assert.equal(made.status, 0, made.said);
  await mkdir(join(folder, "conf.d"));
  await writeFile(join(folder, "conf.d/lyceum.conf"), await placed(folder));
  await cp(join(deploy, "lyceum-proxy.conf"), join(folder, "lyceum-proxy.conf"));
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  await writeFile(
    join(folder, "nginx.conf"),
    `pid ${folder}/nginx.pid; error_log stderr; events {}
http { access_log off; ${places.join(" ")} include ${folder}/conf.d/*.conf; }
`,
  );
  const nginx = process.env.LYCEUM_NGINX ?? "nginx";
  const looked = run(nginx, "-t", "-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf"));
  assert.equal(looked.status, 0, looked.said);
  assert.match(looked.said, /test is successful/);
});
