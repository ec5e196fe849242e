// Prompts for the demo, from PartiPrompts (P2): English prompts released by Google Research with the Parti paper
// (google-research/parti, Apache-2.0, commit 5a65797). A selection, unchanged but for spaces at the ends.

export const DEMO_PROMPTS: readonly string[] = [
  'A dignified beaver wearing glasses, a vest, and colorful neck tie. He stands next to a tall stack of books in a library.',
  'A raccoon wearing formal clothes, wearing a tophat and holding a cane. The raccoon is holding a garbage bag. Oil painting in the style of Hokusai.',
  'a impressionistic painting of a scholarly badger reading the Rosetta Stone',
  'A sloth in a go kart on a race track. The sloth is holding a banana in one hand. There is a banana peel on the track in the background.',
  'A teddy bear wearing a motorcycle helmet and cape is standing in front of Loch Awe with Kilchurn Castle behind him',
  'A close-up photo of a wombat wearing a red backpack and raising both arms in the air. Mount Rushmore is in the background.',
  'Portrait of a gecko wearing a train conductor’s hat and holding a flag that has a yin-yang symbol on it. Charcoal.',
  'The Statue of Liberty with the face of an owl',
  'A photo of a frog reading the newspaper named "Toaday" written on it. There is a frog printed on the newspaper too.',
  'A shiny VW van with a cityscape painted on it and parked on grass.',
  'a corgi’s head depicted as an explosion of a nebula',
  'a panda bear playing ping pong using a blue paddle against an ostrich using a red paddle',
  'A map of the United States made out of sushi on the table.',
  'square blue apples on a tree with circular yellow leaves',
  'A photo of a four-leaf clover made of water.',
  'Photograph of a wall along a city street with a watercolor mural of foxes in a jazz band.',
  'a white robot with a red mohawk painted as graffiti on a red brick wall',
  'A photo of an Athenian vase with a painting of pandas playing basketball in the style of Egyptian hieroglyphics',
  'a high-quality photograph of an armadillo playing a bagpipe while standing on one leg',
  'a surrealist dream-like oil painting by salvador dalí of a cat playing checkers',
  'Snow mountain and tree reflection in the lake',
  'a cream-colored labradoodle wearing glasses and black beret teaching calculus at a blackboard',
  'A Mesoamerican pyramid surrounded by jungle. detailed charcoal sketch.',
  'a capybara made of voxels sitting in a field',
];
