// Asks a MySQL server with mysql2: statements prepared and not, several at once, errors. Says how
// many commands it has sent. Argument: the port.
const mysql = require('mysql2/promise');

const ROUNDS = 50;
let commands = 0;

async function main() {
  const connection = await mysql.createConnection({
    host: '127.0.0.1', port: Number(process.argv[2]), user: 'root', multipleStatements: true,
    connectAttributes: { program_name: 'script' },
  });
  const ask = (text) => { commands++; return connection.query(text); };
  const execute = (text, values) => { commands++; return connection.execute(text, values); };
  commands++; // the login
  await ask('create database scripts');
  await ask('use scripts');
  await ask('create table t(a int primary key auto_increment, b text)');
  commands += 2; // both are prepared once
  for (let i = 0; i < ROUNDS; i++) await execute('insert into t(b) values (?)', ['canary-5f1d']);
  for (let i = 0; i < ROUNDS; i++) await execute('select b from t where a > ?', [i]);
  await ask("select 1 as x; select 2; update t set b='canary-5f1d' where a < 11");
  await ask('select * from missing').catch(() => {});
  await ask("select repeat('x', 100000) from t");
  commands += 2;
  await connection.ping();
  await connection.changeUser({ user: 'root', database: 'scripts' });
  await connection.end();
  console.log(JSON.stringify({ commands, rounds: ROUNDS }));
}

main().catch((error) => { console.error(error); process.exit(1); });
