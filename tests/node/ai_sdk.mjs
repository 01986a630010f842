// The AI SDK over the bridge. One scene a run, named by the first argument; what it saw is told as JSON.

import { execFileSync } from 'node:child_process'
import { createOpenAI } from '@ai-sdk/openai'
import { generateText, isStepCount, Output, streamText, tool } from 'ai'
import { z } from 'zod'

const openai = createOpenAI({ baseURL: process.env.BASE_URL, apiKey: 'key-of-the-client' })
const name = process.env.MODEL ?? 'gpt-5.5'
const model = process.env.API === 'chat' ? openai.chat(name) : openai.responses(name)
const stopWhen = isStepCount(6)

const tools = {
  weather: tool({
    description: 'What the weather is like.',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => ({ weather: `sunny in ${city}` }),
  }),
}

// What a run told, of all of its steps.
async function told(result) {
  const [text, steps, finishReason, usage] =
    await Promise.all([result.text, result.steps, result.finishReason, result.usage])
  return {
    text,
    finishReason,
    reasoning: steps.map(step => step.reasoningText ?? null),
    calls: steps.flatMap(step => step.toolCalls.map(call => [call.toolName, call.input])),
    results: steps.flatMap(step => step.toolResults.map(each => each.output)),
    usage: { input: usage.inputTokens, output: usage.outputTokens },
    warnings: steps.flatMap(step => step.warnings ?? []),
  }
}

const scenes = {
  text: async () => told(await generateText({ model, system: 'Be brief.', prompt: 'Say hello.', maxRetries: 0 })),

  async stream() {
    const result = streamText({ model, prompt: 'Say hello.', maxRetries: 0, onError() {} })
    const parts = []
    for await (const part of result.fullStream) parts.push(part)
    const texts = type => parts.filter(part => part.type === type).map(part => part.text)
    return {
      kinds: parts.map(part => part.type),
      deltas: texts('text-delta'),
      reasoning: texts('reasoning-delta'),
      errors: parts.filter(part => part.type === 'error').map(part => part.error?.message ?? part.error),
      finish: parts.find(part => part.type === 'finish')?.finishReason,
    }
  },

  tools: async () =>
    told(await generateText({ model, tools, stopWhen, prompt: 'Do I need a hat in Oslo?', maxRetries: 0 })),

  streamed_tools: async () =>
    told(streamText({ model, tools, stopWhen, prompt: 'Do I need a hat in Oslo?', maxRetries: 0 })),

  // Nothing is stored: the SDK carries the reasoning itself.
  carried: async () =>
    told(await generateText({
      model, tools, stopWhen, prompt: 'Do I need a hat in Oslo?', maxRetries: 0,
      providerOptions: { openai: { store: false, include: ['reasoning.encrypted_content'] } },
    })),

  async object() {
    const schema = z.object({ city: z.string(), degrees: z.number() })
    const result = await generateText({ model, output: Output.object({ schema }), prompt: 'How warm is Oslo?' })
    return result.output
  },

  async image() {
    const content = [
      { type: 'text', text: 'What is it?' },
      { type: 'image', image: Buffer.from(process.env.PIXEL, 'base64'), mediaType: 'image/png' },
    ]
    return told(await generateText({ model, messages: [{ role: 'user', content }], maxRetries: 0 }))
  },

  async conversation() {
    const messages = [{ role: 'user', content: 'I am Ada.' }]
    const first = await generateText({ model, messages, maxRetries: 0 })
    messages.push(...first.response.messages, { role: 'user', content: 'Who am I?' })
    return told(await generateText({ model, messages, maxRetries: 0 }))
  },

  async previous() {
    const first = await generateText({ model, prompt: 'I am Ada.', maxRetries: 0 })
    const { responseId } = first.finalStep.providerMetadata.openai
    const providerOptions = { openai: { previousResponseId: responseId } }
    return told(await generateText({ model, prompt: 'Who am I?', providerOptions, maxRetries: 0 }))
  },

  async custom() {
    const sql = openai.tools.customTool({
      description: 'Runs a query.',
      format: { type: 'grammar', syntax: 'lark', definition: 'start: "SELECT " /.+/' },
      execute: async input => `rows of ${input}`,
    })
    return told(await generateText({ model, tools: { sql }, stopWhen, prompt: 'Count them.', maxRetries: 0 }))
  },

  async shell() {
    const shell = openai.tools.shell({
      execute: async ({ action }) => ({
        output: action.commands.map(command => ({
          stdout: execFileSync('sh', ['-c', command], { encoding: 'utf8' }),
          stderr: '',
          outcome: { type: 'exit', exitCode: 0 },
        })),
      }),
    })
    return told(await generateText({ model, tools: { shell }, stopWhen, prompt: 'Where am I?', maxRetries: 0 }))
  },

  async patch() {
    const operations = []
    const apply_patch = openai.tools.applyPatch({
      execute: async ({ operation }) => {
        operations.push(operation)
        return { status: 'completed', output: 'done' }
      },
    })
    const prompt = 'Write a greeting.'
    return { ...await told(await generateText({ model, tools: { apply_patch }, stopWhen, prompt, maxRetries: 0 })), operations }
  },

  async error() {
    try {
      await generateText({ model, prompt: 'Say hello.', maxRetries: 0 })
    } catch (error) {
      return { name: error.name, message: error.message, status: error.statusCode, retryable: error.isRetryable }
    }
  },
}

console.log(JSON.stringify(await scenes[process.argv[2]]()))
