// The bodies and replies of `/v1/images/*`, for the OpenAPI document: OpenAI's own, with Darkroom's envelope beside them.
import * as z from 'zod';
import { envelopeShape } from './envelope-schemas.ts';
import { editFields, variationFields } from './field-schemas.ts';
import { editInputSchema, generationInputSchema, variationInputSchema } from './input-schemas.ts';

const file = z.file();
const inForms = 'Objects are written as `name[member]`, or as JSON text.';

export const imagesGenerationSchema = generationInputSchema
  .extend(envelopeShape)
  .meta({ id: 'ImagesGenerationRequest' });

export const imagesEditSchema = editInputSchema.extend(envelopeShape).meta({ id: 'ImagesEditRequest' });

export const imagesVariationSchema = variationInputSchema.extend(envelopeShape).meta({ id: 'ImagesVariationRequest' });

export const imagesEditFormSchema = z
  .strictObject({
    image: file.optional().describe('The image, when there is one.'),
    'image[]': z.array(file).optional().describe('The images, when there are several.'),
    mask: file.optional().describe('PNG of the size of the first image; its transparent pixels mark what to edit.'),
    markup: file.optional().describe('Transparent PNG laid over the first image; not together with `mask`.'),
    ...editFields,
    ...envelopeShape,
  })
  .meta({ id: 'ImagesEditForm', description: inForms });

export const imagesVariationFormSchema = z
  .strictObject({ image: file.describe('The one image to vary.'), ...variationFields, ...envelopeShape })
  .meta({ id: 'ImagesVariationForm', description: inForms });

const tokenSplit = z.object({ text_tokens: z.int(), image_tokens: z.int() });

export const imagesResponseSchema = z
  .object({
    created: z.int().describe('Unix time in seconds.'),
    data: z
      .array(
        z.object({
          url: z.string().optional(),
          b64_json: z.string().optional(),
          revised_prompt: z.string().optional(),
        }),
      )
      .describe('In the order of the images asked for; failed ones are left out.'),
    background: z.string().optional().describe('As the upstream resolved it, like the next three.'),
    output_format: z.string().optional(),
    quality: z.string().optional(),
    size: z.string().optional(),
    usage: z
      .object({
        input_tokens: z.int(),
        output_tokens: z.int(),
        total_tokens: z.int(),
        input_tokens_details: tokenSplit,
        output_tokens_details: tokenSplit.optional(),
      })
      .optional()
      .describe('Of all calls together; left out where the upstream gave none.'),
  })
  .meta({ id: 'ImagesResponse' });
