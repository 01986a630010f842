// The Agents SDK for JavaScript over the bridge. One scene a run; what it saw is told as JSON.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  Agent, applyDiff, applyPatchTool, OpenAIProvider, Runner, setTracingDisabled, shellTool, tool,
} from '@openai/agents'
import { z } from 'zod'

setTracingDisabled(true)
const api = process.env.API ?? 'responses'
const modelProvider = new OpenAIProvider({
  baseURL: process.env.BASE_URL,
  apiKey: 'key-of-the-client',
  useResponses: api !== 'chat',
  useResponsesWebSocket: api === 'websocket',
})
const runner = new Runner({ modelProvider })
const model = process.env.MODEL ?? 'some-model'

const weather = tool({
  name: 'weather',
  description: 'What the weather is like.',
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
})
const assistant = new Agent({ name: 'assistant', instructions: 'Be brief.', model, tools: [weather] })

const told = result => ({
  output: result.finalOutput,
  agent: result.lastAgent.name,
  items: result.newItems.map(item => item.type),
})

const scenes = {
  run: async () => told(await runner.run(assistant, 'Do I need a hat in Oslo?')),

  async stream() {
    const result = await runner.run(assistant, 'Do I need a hat in Oslo?', { stream: true })
    const deltas = []
    for await (const event of result) {
      if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta') deltas.push(event.data.delta)
    }
    await result.completed
    return { ...told(result), deltas }
  },

  async handoff() {
    const clerk = new Agent({ name: 'clerk', instructions: 'You are the clerk.', model })
    const desk = Agent.create({ name: 'desk', instructions: 'You are the desk.', model, handoffs: [clerk] })
    return told(await runner.run(desk, 'I want my money back.'))
  },

  async structured() {
    const outputType = z.object({ city: z.string(), degrees: z.number() })
    return told(await runner.run(new Agent({ name: 'assistant', model, outputType }), 'How warm is Oslo?'))
  },

  async conversation() {
    const first = await runner.run(assistant, 'I am Ada.')
    return told(await runner.run(assistant, [...first.history, { role: 'user', content: 'Who am I?' }]))
  },

  async previous() {
    const first = await runner.run(assistant, 'I am Ada.')
    return told(await runner.run(assistant, 'Who am I?', { previousResponseId: first.lastResponseId }))
  },

  async shell() {
    const shell = {
      run: async ({ commands }) => ({
        output: commands.map(command => ({
          stdout: execFileSync('sh', ['-c', command], { encoding: 'utf8' }),
          stderr: '',
          outcome: { type: 'exit', exitCode: 0 },
        })),
      }),
    }
    return told(await runner.run(new Agent({ name: 'assistant', model, tools: [shellTool({ shell })] }), 'Count.'))
  },

  async patch() {
    const editor = {
      async createFile({ path, diff }) {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, applyDiff('', diff, 'create'))
        return { status: 'completed', output: `created ${path}` }
      },
    }
    const tools = [applyPatchTool({ editor })]
    return told(await runner.run(new Agent({ name: 'assistant', model, tools }), 'Write a greeting.'))
  },
}

const seen = await scenes[process.argv[2]]()
await modelProvider.close()
console.log(JSON.stringify(seen))
