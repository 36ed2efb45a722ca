"""Words from outside the tabletop: what the embedded model is asked about and must not pretend to know."""

_NOUNS = (
    "dog cat horse cow sheep bird bear zebra giraffe elephant person man woman child boy girl baby face hand "
    "bus car truck train bicycle motorcycle boat ship plane helicopter taxi tram van wheel window door roof "
    "house building tower bridge church shop street road wall fence gate bench lamp traffic light clock "
    "shirt jacket hat shoe bag backpack umbrella tie coat dress glass bottle cup plate bowl fork knife spoon "
    "chair couch bed desk sofa shelf cupboard fridge oven sink toilet mirror picture poster banner board "
    "screen phone laptop keyboard mouse camera book page paper label box package letter envelope ticket menu "
    "receipt invoice form chart graph map flag badge coin stamp licence plate number plate name tag tree "
    "flower plant grass leaf rock mountain river lake sea beach sky cloud sun moon star snow fire apple banana "
    "orange fruit cake pizza sandwich egg bread cheese meat carrot tomato potato salad soup coffee tea juice "
    "guitar piano drum violin ball bat glove racket kite ski skateboard surfboard toy doll robot truck engine "
    "button handle key lock pipe wire cable plug socket tool hammer saw drill nail screw ladder rope basket "
    "storefront t-shirt billboard headline package side back front top left wall first page whiteboard"
)
NOUNS = tuple(_NOUNS.split())
"""Some come twice, and are drawn twice as often."""

OPEN_QUESTIONS = (
    "What is the {a} doing?",
    "Why is the {a} next to the {b}?",
    "Describe the image.",
    "Describe this picture in detail.",
    "What is happening here?",
    "Who is the {a} in this picture?",
    "Where was this photo taken?",
    "What kind of {a} is this?",
    "Is the {a} happy?",
    "What is the {a} made of?",
    "What time of day is it?",
    "What is the {a} holding?",
    "What is behind the {a}?",
    "How old is the {a}?",
    "What should I do with the {a}?",
    "Is it raining?",
    "What is in the picture?",
    "Tell me about the {a} and the {b}.",
    "What brand is the {a}?",
    "Can the {a} move?",
)
"""Questions that no action of the embedded model helps with."""

READ_QUESTIONS = (
    "What is written on the {a}?",
    "What does the {a} say?",
    "Read the text on the {a}.",
    "What is the text on the {a}?",
    "What does it say on the {a}?",
    "Which words are on the {a}?",
    "what is written on the {a}",
    "What text can you see?",
    "What is written here?",
    "Read the text.",
    "What does it say?",
    "What words are in this picture?",
)
"""Questions that reading the whole image answers."""

COUNT_QUESTIONS = (
    "How many {a}s are there?",
    "how many {a}s are there",
    "How many {a}s can you see?",
    "Count the {a}s.",
    "What is the number of {a}s?",
    "How many {a}s are in the picture?",
)
EXIST_QUESTIONS = (
    "Is there a {a}?",
    "is there a {a} in the picture?",
    "Can you see a {a}?",
    "Do you see any {a}?",
    "Is there any {a} here?",
)
"""Questions about things that the detector has no class for."""
