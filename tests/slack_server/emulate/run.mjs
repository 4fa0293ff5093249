// Starts emulate's Slack on the port of $PORT, with its events sent to $EVENTS, and prints "up" once it listens.
import { readdirSync, readFileSync } from 'node:fs'
import { createEmulator } from 'emulate'

// The address for events can be set through the service's own module only, whose file has a name made by its build.
const built = new URL('./node_modules/emulate/dist/', import.meta.url)
const isSlack = (name) => /^dist-.*\.js$/.test(name) && readFileSync(new URL(name, built), 'utf8').includes('"/api/chat.postMessage"')
const { slackPlugin } = await import(new URL(readdirSync(built).find(isSlack), built))
const register = slackPlugin.register
slackPlugin.register = (app, store, webhooks, ...rest) => {
  webhooks.register({ url: process.env.EVENTS, events: ['*'], active: true, owner: 'slack' })
  return register(app, store, webhooks, ...rest)
}

const scopes = process.env.SCOPES
const bot = { bot_id: 'B0MMRAG000', bot_user_id: 'U0MMRAG000', app_id: 'A0MMRAG000' }
const emulator = await createEmulator({
  service: 'slack',
  port: Number(process.env.PORT),
  seed: {
    slack: {
      users: [{ name: 'ana', real_name: 'Ana', email: 'ana@example.com' }],
      channels: [{ name: 'general' }],
      oauth_apps: [{
        ...bot, client_id: '1.2', client_secret: 'secret', name: 'mmrag', redirect_uris: [], scopes: ['chat:write'],
        bot_name: 'mmrag',
      }],
      tokens: [
        { ...bot, token: 'xoxb-bot', type: 'bot', user_id: bot.bot_user_id, scopes },
        { token: 'xoxp-ana', type: 'user', user: 'ana', scopes },
      ],
      signing_secret: 'secret',
    },
  },
})
console.log('up', emulator.url)
