// The shapes of the file routes, for the OpenAPI document. They describe; what makes these shapes is in file-record.ts.
import * as z from 'zod';
import { FILE_PURPOSES } from './file-record.ts';

export const fileSchema = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.int().min(0),
    created_at: z.int().describe('Unix time in seconds.'),
    expires_at: z.int().nullable().describe('Unix time in seconds; null: it is kept until it is deleted.'),
    filename: z.string(),
    purpose: z.enum(FILE_PURPOSES),
    status: z.literal('processed'),
  })
  .meta({ id: 'File' });

export const fileListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(fileSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'FileList' });

export const fileDeletedSchema = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .meta({ id: 'FileDeleted' });
