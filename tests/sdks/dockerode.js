// The dockerode library: what it finds, what it does and what it is told.
'use strict';
const assert = require('node:assert');
const { PassThrough } = require('node:stream');
const Docker = require('dockerode');

const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace('unix://', '') });

/** All that a stream says, its two parts taken apart. */
async function both(stream) {
  const out = new PassThrough(), err = new PassThrough();
  const said = ['', ''];
  out.on('data', (data) => { said[0] += data; });
  err.on('data', (data) => { said[1] += data; });
  docker.modem.demuxStream(stream, out, err);
  await new Promise((done, failed) => { stream.on('end', done); stream.on('error', failed); });
  return said;
}

async function main() {
  assert.strictEqual((await docker.ping()).toString(), 'OK');
  assert.ok((await docker.version()).ApiVersion && (await docker.info()).ServerVersion);
  const network = await docker.createNetwork({ Name: 'node', Driver: 'bridge' });
  await docker.createVolume({ Name: 'node' });
  const box = await docker.createContainer({
    name: 'node', Image: 'test:1', Cmd: ['sh', '-c', 'echo up; echo bad >&2; exec sleep 1000'], Env: ['A=b'], Labels: { x: 'y' },
    HostConfig: { NetworkMode: 'node', Binds: ['node:/v'], Memory: 64 << 20, PortBindings: { '80/tcp': [{ HostPort: '' }] } },
    ExposedPorts: { '80/tcp': {} },
  });
  await box.start();
  const shown = await box.inspect();
  assert.ok(shown.State.Running && shown.NetworkSettings.Ports['80/tcp'][0].HostPort);
  const exec = await box.exec({ Cmd: ['sh', '-c', 'echo $A; echo no >&2; exit 3'], AttachStdout: true, AttachStderr: true });
  assert.deepStrictEqual(await both(await exec.start({})), ['b\n', 'no\n']);
  assert.strictEqual((await exec.inspect()).ExitCode, 3);
  const talk = await box.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
  const line = await talk.start({ hijack: true, stdin: true });
  line.end('to and fro\n');
  assert.deepStrictEqual(await both(line), ['to and fro\n', '']);
  const logs = await box.logs({ stdout: true, stderr: true, follow: true, tail: 2 });
  setTimeout(() => logs.destroy(), 500);
  const stats = await box.stats({ stream: false });
  assert.ok(stats.memory_stats.usage > 0);
  await box.pause();
  assert.ok((await box.inspect()).State.Paused);
  await box.unpause();
  await box.restart({ t: 0 });
  const listed = await docker.listContainers({ filters: { label: ['x=y'] } });
  assert.strictEqual(listed[0].Id, box.id);
  const events = await docker.getEvents({ since: 0, until: Math.floor(Date.now() / 1000) });
  let told = '';
  for await (const piece of events) told += piece;
  assert.ok(told.includes('"Action":"start"'), told);
  const ends = box.wait();
  await box.stop({ t: 0 });
  assert.strictEqual((await ends).StatusCode, 137);
  await box.remove({ v: true });
  await docker.getVolume('node').remove();
  await network.remove();
  const output = new PassThrough();
  let said = '';
  output.on('data', (data) => { said += data; });
  const [ended, run] = await docker.run('test:1', ['echo', 'hi'], output, { Tty: true });
  assert.strictEqual(ended.StatusCode, 0);
  assert.strictEqual(said, 'hi\r\n');
  await run.remove();
  await assert.rejects(docker.getContainer('nobody').inspect(), { statusCode: 404 });
  console.log('done');
}

main().catch((error) => { console.error(error); process.exit(1); });
