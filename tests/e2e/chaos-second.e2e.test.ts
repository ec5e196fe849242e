// The short seeds, every other one; two files, so that they are run side by side.
import { SHORT } from '../chaos/seeds.ts';
import { testSeeds } from '../support/chaos-seeds.ts';

testSeeds(SHORT.filter((_, at) => at % 2 === 1));
