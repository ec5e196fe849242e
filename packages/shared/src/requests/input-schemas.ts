// OpenAI's request bodies, for the OpenAPI document. They describe; the checks with OpenAI's wording are in validate.ts.
import * as z from 'zod';
import { MODELS } from '../models/rules.ts';
import { editFields, generationFields, variationFields } from './field-schemas.ts';
import { LONGEST_FILE_ID, LONGEST_IMAGE_URL } from './references.ts';

const mostInputImages = Math.max(...MODELS.map(({ inputImages }) => inputImages?.maxCount ?? 0));

const inputImage = z
  .union([
    z.strictObject({
      file_id: z.string().min(1).max(LONGEST_FILE_ID).describe('A file uploaded with purpose `vision`.'),
      image_url: z.null().optional(),
    }),
    z.strictObject({
      image_url: z
        .string()
        .max(LONGEST_IMAGE_URL)
        .regex(/^(https?:|data:)/i)
        .describe('An http or https URL, fetched once when the request is accepted, or a base64-encoded data URL.'),
      file_id: z.null().optional(),
    }),
  ])
  .describe('By file or by URL.');

export const generationInputSchema = z.strictObject(generationFields).meta({ id: 'GenerationInput' });

export const editInputSchema = z
  .strictObject({
    ...editFields,
    images: z
      .array(inputImage)
      .min(1)
      .max(mostInputImages)
      .describe('PNG, WebP or JPEG; the first is the one a mask applies to.'),
    mask: inputImage
      .nullish()
      .describe('PNG of the size of the first image; its transparent pixels mark what to edit.'),
    markup: inputImage.nullish().describe('Transparent PNG laid over the first image; not together with `mask`.'),
  })
  .meta({ id: 'EditInput' });

export const variationInputSchema = z
  .strictObject({ ...variationFields, images: z.array(inputImage).min(1).max(1).describe('The one image to vary.') })
  .meta({ id: 'VariationInput' });
