// Example bodies of OpenAI's image routes, as they stand in the OpenAPI document.

export const EXAMPLE_GENERATION = {
  model: 'gpt-image-2.6-flare',
  prompt: 'a white siamese cat',
  size: '1536x1024',
  quality: 'high',
};

export const EXAMPLE_DALLE_GENERATION = {
  model: 'dall-e-3',
  prompt: 'a white siamese cat',
  n: 2,
  size: '1792x1024',
  quality: 'hd',
  metadata: { order: '42' },
};

export const EXAMPLE_EDIT = {
  model: 'gpt-image-2',
  prompt: 'the same cat in winter',
  images: [{ file_id: 'file-01kb4xwqf7c0v3m8r5y2d9tz6n' }, { image_url: 'https://example.com/snow.png' }],
  mask: { image_url: 'data:image/png;base64,iVBORw0KGgo…' },
  size: '1024x1024',
};

export const EXAMPLE_VARIATION = {
  model: 'dall-e-2',
  images: [{ image_url: 'https://example.com/cat.png' }],
  n: 2,
  size: '512x512',
};

const ECHOES = { background: 'opaque', output_format: 'png', quality: 'high', size: '1536x1024' };
const USAGE = {
  input_tokens: 11,
  input_tokens_details: { text_tokens: 11, image_tokens: 0 },
  output_tokens: 1_372,
  total_tokens: 1_383,
};

export const EXAMPLE_BASE64_REPLY = {
  created: 1_795_340_377,
  data: [{ b64_json: 'iVBORw0KGgoAAAANSUhEUgAA…' }],
  ...ECHOES,
  usage: USAGE,
};

export const EXAMPLE_URL_REPLY = {
  created: 1_795_340_377,
  data: [
    {
      url: 'http://localhost:3000/v1/images/img_01kb4xwqf7c0v3m8r5y2d9tz6n_0/content?exp=1795426777&sig=9fKq3…',
    },
    {
      url: 'http://localhost:3000/v1/images/img_01kb4xwqf7c0v3m8r5y2d9tz6n_1/content?exp=1795426777&sig=t41Ws…',
    },
  ],
  ...ECHOES,
  usage: USAGE,
};
