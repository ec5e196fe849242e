import { describe, expect, test } from 'vitest';
import { refusal } from './validation-kit.ts';

const oldQualities = "Supported values are: 'low', 'medium', 'high', and 'auto'.";
const newQualities = "Supported values are: 'low', 'medium', 'high', 'xhigh', 'max', and 'auto'.";
const fixedSizes = "Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'.";

describe('refused parameters', () => {
  test.each([
    // model, fields, code, param, message
    [
      'gpt-image-2',
      { response_format: 'b64_json' },
      'unknown_parameter',
      'response_format',
      "Unknown parameter: 'response_format'.",
    ],
    [
      'gpt-image-2',
      { response_format: null },
      'unknown_parameter',
      'response_format',
      "Unknown parameter: 'response_format'.",
    ],
    ['gpt-image-2', { style: 'vivid' }, 'unknown_parameter', 'style', "Unknown parameter: 'style'."],
    ['gpt-image-2', { complexity: 'low' }, 'unknown_parameter', 'complexity', "Unknown parameter: 'complexity'."],
    [
      'gpt-image-2.5-flare',
      { input_fidelity: 'high' },
      'unknown_parameter',
      'input_fidelity',
      "Unknown parameter: 'input_fidelity'.",
    ],
    [
      'gpt-image-2.6-flare',
      { complexity: 'max' },
      'invalid_value',
      'complexity',
      "Invalid value: 'max'. Supported values are: 'low', 'medium', and 'high'.",
    ],
    ['gpt-image-1', { quality: 'standard' }, 'invalid_value', 'quality', `Invalid value: 'standard'. ${oldQualities}`],
    ['gpt-image-2', { quality: 'xhigh' }, 'invalid_value', 'quality', `Invalid value: 'xhigh'. ${oldQualities}`],
    ['gpt-image-2.6-flare', { quality: 'hd' }, 'invalid_value', 'quality', `Invalid value: 'hd'. ${newQualities}`],
    ['gpt-image-2', { quality: 3 }, 'invalid_type', 'quality', null],
    ['gpt-image-1.5', { size: '1254x836' }, 'invalid_value', 'size', `Invalid value: '1254x836'. ${fixedSizes}`],
    [
      'gpt-image-2',
      { size: '1792x936' },
      'invalid_value',
      'size',
      "Invalid size '1792x936'. Width and height must both be divisible by 16.",
    ],
    [
      'gpt-image-2',
      { size: '256x256' },
      'invalid_value',
      'size',
      "Invalid size '256x256'. The image must have at least 655360 pixels.",
    ],
    [
      'gpt-image-2',
      { size: '3840x2176' },
      'invalid_value',
      'size',
      "Invalid size '3840x2176'. The image must have at most 8294400 pixels.",
    ],
    [
      'gpt-image-2',
      { size: '3856x2160' },
      'invalid_value',
      'size',
      "Invalid size '3856x2160'. The longest edge must be at most 3840 pixels.",
    ],
    [
      'gpt-image-2',
      { size: '2048x640' },
      'invalid_value',
      'size',
      "Invalid size '2048x640'. The aspect ratio must be between 1:3 and 3:1.",
    ],
    [
      'gpt-image-2',
      { size: 'big' },
      'invalid_value',
      'size',
      "Invalid size 'big'. Expected 'auto' or a size in the format 'WIDTHxHEIGHT'.",
    ],
    ['dall-e-3', { size: '512x512' }, 'invalid_size', null, 'The size is not supported by this model.'],
    ['dall-e-2', { size: 'auto' }, 'invalid_size', null, 'The size is not supported by this model.'],
    ['dall-e-3', { n: 2 }, 'invalid_value', 'n', 'You must provide n=1 for this model.'],
    [
      'gpt-image-2',
      { n: 0 },
      'integer_below_min_value',
      'n',
      "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    ],
    [
      'gpt-image-2',
      { n: 11 },
      'integer_above_max_value',
      'n',
      "Invalid 'n': integer above maximum value. Expected a value <= 10, but got 11 instead.",
    ],
    [
      'gpt-image-2',
      { n: '2' },
      'invalid_type',
      'n',
      "Invalid type for 'n': expected an integer, but got a string instead.",
    ],
    [
      'gpt-image-2',
      { n: 1.5 },
      'invalid_type',
      'n',
      "Invalid type for 'n': expected an integer, but got a decimal number instead.",
    ],
    [
      'gpt-image-2',
      { prompt: undefined },
      'missing_required_parameter',
      'prompt',
      "Missing required parameter: 'prompt'.",
    ],
    ['gpt-image-2', { prompt: '' }, 'empty_string', 'prompt', null],
    ['gpt-image-2', { prompt: null }, 'invalid_type', 'prompt', null],
    ['gpt-image-2', { prompt: ['a'] }, 'invalid_type', 'prompt', null],
    [
      'gpt-image-2',
      { output_format: 'gif' },
      'invalid_value',
      'output_format',
      "Invalid value: 'gif'. Supported values are: 'png', 'jpeg', and 'webp'.",
    ],
    [
      'gpt-image-2.6-flare',
      { output_format: 'svg' },
      'invalid_value',
      'output_format',
      "Invalid value: 'svg'. Supported values are: 'png', 'jpeg', and 'webp'.",
    ],
    [
      'gpt-image-2',
      { output_compression: 101, output_format: 'jpeg' },
      'integer_above_max_value',
      'output_compression',
      null,
    ],
    [
      'gpt-image-2',
      { output_compression: 50 },
      'invalid_value',
      'output_compression',
      'Compression less than 100 is not supported for PNG output format.',
    ],
    [
      'gpt-image-2',
      { background: 'transparent' },
      'invalid_value',
      'background',
      'Transparent background is not supported for this model.',
    ],
    [
      'gpt-image-2.5-flare',
      { background: 'transparent', output_format: 'jpeg' },
      'invalid_value',
      'background',
      "Transparent background is not supported for output format 'jpeg'.",
    ],
    ['gpt-image-2', { background: 'blue' }, 'invalid_value', 'background', null],
    [
      'gpt-image-2',
      { moderation: 'off' },
      'invalid_value',
      'moderation',
      "Invalid value: 'off'. Supported values are: 'auto' and 'low'.",
    ],
    ['gpt-image-2', { stream: true }, 'unsupported_value', 'stream', 'Streaming is not supported by this simulator.'],
    ['gpt-image-2', { stream: 'yes' }, 'invalid_type', 'stream', null],
    ['gpt-image-2', { partial_images: 4 }, 'integer_above_max_value', 'partial_images', null],
    ['gpt-image-2', { safety_identifier: 'x'.repeat(129) }, 'string_above_max_length', 'safety_identifier', null],
    ['gpt-image-2', { user: 7 }, 'invalid_type', 'user', null],
    ['gpt-image-2', { promt: 'typo' }, 'unknown_parameter', 'promt', "Unknown parameter: 'promt'."],
    ['gpt-image-2', { mask: 'x' }, 'unknown_parameter', 'mask', "Unknown parameter: 'mask'."],
    ['dall-e-3', { background: 'opaque' }, 'unknown_parameter', 'background', "Unknown parameter: 'background'."],
    [
      'dall-e-3',
      { style: 'wild' },
      'invalid_value',
      'style',
      "Invalid value: 'wild'. Supported values are: 'vivid' and 'natural'.",
    ],
    ['dall-e-2', { style: 'vivid' }, 'unknown_parameter', 'style', "Unknown parameter: 'style'."],
    ['dall-e-2', { quality: 'hd' }, 'invalid_value', 'quality', null],
    [
      'dall-e-3',
      { response_format: 'png' },
      'invalid_value',
      'response_format',
      "Invalid value: 'png'. Supported values are: 'url' and 'b64_json'.",
    ],
    ['nonsense', {}, 'invalid_value', 'model', "The model 'nonsense' does not exist."],
  ])('%s %j: %s', (model, fields, code, param, message) => {
    const refused = refusal({ model, ...fields });
    expect(refused).toMatchObject({ status: 400, code, param });
    if (message !== null) expect(refused?.message).toBe(message);
  });

  test.each([
    ['gpt-image-2', 'high'],
    ['gpt-image-2', null],
    ['gpt-image-2.6-sunburst', 'low'],
  ])('%s edit with input_fidelity %j', (model, fidelity) => {
    expect(refusal({ model, input_fidelity: fidelity }, 'edit')).toMatchObject({
      type: 'image_generation_user_error',
      code: 'invalid_input_fidelity_model',
      message: `The model '${model}' does not support the 'input_fidelity' parameter.`,
    });
  });

  test.each([
    [{ model: 'gpt-image-1-mini', input_fidelity: 'high' }, 'edit', 'json', 'invalid_value'],
    [{ moderation: 'low' }, 'edit', 'multipart', 'unknown_parameter'],
    [{ model: 'dall-e-2', quality: 'high' }, 'edit', 'multipart', 'invalid_value'],
    [{ model: 'dall-e-3' }, 'edit', 'multipart', 'invalid_value'],
    [{ model: 'gpt-image-2' }, 'variation', 'multipart', 'invalid_value'],
    [{ model: 'dall-e-2' }, 'variation', 'multipart', 'unknown_parameter'],
  ] as const)('%j on %s (%s): %s', (fields, operation, kind, code) => {
    expect(refusal(fields, operation, kind)?.code).toBe(code);
  });
});
