// Produces and consumes with kafkajs; says as JSON which requests it has sent and how many
// messages came back. Argument: the brokers, separated by commas.
const { CompressionTypes, Kafka, logLevel } = require('kafkajs');

const TOPIC = 'scripts', BATCHES = 20, MESSAGES = 20;
const kafka = new Kafka({
  clientId: 'script', brokers: process.argv[2].split(','), logLevel: logLevel.NOTHING,
});
const sent = {};

function watch(client) {
  client.on(client.events.REQUEST, ({ payload }) => {
    const name = `${payload.apiName} ${payload.apiVersion}`;
    sent[name] = (sent[name] || 0) + 1;
  });
  return client.connect();
}

async function main() {
  const producer = kafka.producer({ allowAutoTopicCreation: true });
  await watch(producer);
  for (let batch = 0; batch < BATCHES; batch++) {
    await producer.send({
      topic: TOPIC,
      compression: batch % 2 ? CompressionTypes.GZIP : CompressionTypes.None,
      messages: Array.from({ length: MESSAGES }, (_, i) => ({ key: `${i}`, value: 'canary-5f1d' })),
    });
  }
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: 'scripts' });
  await watch(consumer);
  await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
  let messages = 0;
  await new Promise((done) => {
    setTimeout(done, 90000).unref();
    consumer.run({ eachMessage: async () => { if (++messages === BATCHES * MESSAGES) done(); } });
  });
  await consumer.disconnect();
  console.log(JSON.stringify({ messages, sent }));
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
