// Starts discord-digital-twin with one guild, one channel and one person, and prints where as a line of JSON.
// A line of JSON on its input, {act, ...}, makes the person act; the result is the next line of its output.
import { createInterface } from 'node:readline'
import { ChannelType } from 'discord-api-types/v10'
import { DigitalDiscord } from 'discord-digital-twin'

const discord = new DigitalDiscord({
  guild: { name: 'acme' },
  channels: [{ name: 'general', type: ChannelType.GuildText }],
  users: [{ username: 'ana' }],
})
await discord.start()

// What it leaves out of events, and discord.py does not do without.
const gateway = discord.server.gateway
const sendDispatch = gateway.sendDispatch.bind(gateway)
gateway.sendDispatch = (client, event, data) =>
  sendDispatch(client, event, event === 'READY' ? { shard: [0, 1], ...data } : data)
const broadcast = gateway.broadcast.bind(gateway)
gateway.broadcast = (event, data) =>
  broadcast(event, event.startsWith('MESSAGE_REACTION_') ? { type: 0, burst: false, ...data } : data)
gateway.broadcastMessageCreate = async (message, guild_id) => {
  const named = [...(message.content ?? '').matchAll(/<@!?(\d+)>/g)].map((found) => found[1])
  const users = await discord.prisma.user.findMany({ where: { id: { in: named } } })
  const mentions = users.map((user) => ({
    id: user.id, username: user.username, discriminator: '0', avatar: null, bot: user.bot, global_name: user.globalName,
  }))
  gateway.broadcast('MESSAGE_CREATE', { ...message, guild_id, mentions })
}

const [channel] = await discord.prisma.channel.findMany()
const place = { channelId: channel.id, userId: await discord.getFirstNonBotUserId() }
const acts = {
  writes: ({ content }) => discord.simulateUserMessage({ ...place, content }),
  uses: ({ name, options }) => discord.simulateSlashCommand({ ...place, name, options }),
  clicks: (how) => discord.simulateButtonClick({ ...place, ...how }),
  submits: ({ customId, fields }) => discord.simulateModalSubmit({ ...place, customId, fields }),
  modals: () => discord.prisma.interactionResponse.count({ where: { type: 9 } }),
}
console.log(JSON.stringify({
  rest: discord.restUrl, gateway: discord.gatewayUrl, token: discord.botToken, bot: discord.botUserId,
  guild: channel.guildId, ...place,
}))
for await (const line of createInterface({ input: process.stdin })) {
  const { act, ...how } = JSON.parse(line)
  console.log(JSON.stringify((await acts[act](how)) ?? null))
}
