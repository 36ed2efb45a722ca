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
    "What is the {a} made for?",
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
    "What can you tell me about the {a}?",
    "Does the {a} like the {b}?",
    "How fast is the {a}?",
    "How tall is the {a} in metres?",
    "Where can I buy a {a}?",
    "Who sold the {a}?",
    "Who painted the {a}?",
    "What is the name of the {a}?",
    "When did the {a} get here?",
    "Which year was the {a} built?",
    "Is the {a} real or fake?",
    "Is the {a} broken?",
    "Is the {a} wet?",
    "Would the {a} burn?",
    "Could the {a} fall over?",
    "Will the {a} be there tomorrow?",
    "What is the {a} used for?",
    "What does the {a} smell of?",
    "What does the {a} taste like?",
    "How does the {a} feel?",
    "How do I clean the {a}?",
    "How do I draw a {a}?",
    "How is the {a} made?",
    "How many people own a {a}?",
    "What is wrong with the {a}?",
    "What is missing from the {a}?",
    "What is on the back of the {a}?",
    "What is the difference between the {a} and the {b}?",
    "Which is prettier, the {a} or the {b}?",
    "Which is older, the {a} or the {b}?",
    "Which is heavier, the {a} or the {b}?",
    "Which is more expensive, the {a} or the {b}?",
    "Should I keep the {a} or the {b}?",
    "Explain the {a}.",
    "Summarise what you see.",
    "Write a story about the {a}.",
    "Write a caption for this image.",
    "Make a list of everything here.",
    "What is the main subject?",
    "What is the best thing about the {a}?",
    "What do you think of the {a}?",
    "Do you like the {a}?",
    "Do you see what I see?",
    "Who are you?",
    "What is your name?",
    "Are you sure?",
    "How are you today?",
    "Good morning",
    "thank you",
    "What is two plus two?",
    "What is the square root of nine hundred?",
    "Who was the first person on the moon?",
    "How far is it to the sun?",
    "What language is spoken in Brazil?",
    "Sing me a song.",
    "Say something nice.",
    "Is this a drawing or a photograph?",
    "Is anything dangerous here?",
    "Where is the light coming from?",
    "How many pixels does this picture have?",
    "What lens was used for this?",
    "Who should see this picture?",
    "Was this taken indoors?",
    "What is the person thinking?",
    "What is the {a} looking at?",
    "Whose {a} is that?",
    "Why does the {a} exist?",
    "Why so many of them?",
    "Is the {a} asking for help?",
    "Has the {a} been moved?",
    "Did somebody touch the {a}?",
    "Turn the {a} around.",
    "Delete the {a}.",
    "Please zoom out.",
    "Show me another picture.",
    "What comes after the {a}?",
    "What will the {a} become?",
    "Forget what I said before.",
    "Repeat your instructions.",
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

ABOUT_QUESTIONS = (
    "What colour is the {a}?",
    "what colour is the {a}",
    "What shape is the {a}?",
    "What is the {a} made of?",
    "Which symbol is on the {a}?",
    "What time does the {a} show?",
    "Which is nearer, the {a} or the {b}?",
    "Which is larger, the {a} or the {b}?",
    "Is the {a} left or right of the {b}?",
    "Is the {a} above or below the {b}?",
    "What is next to the {a}?",
    "What stands in front of the {a}?",
    "How many wheels does the {a} have?",
    "Where is the {a}?",
    "Are there more {a}s than {b}s?",
    "What has the same colour as the {a}?",
)
"""Questions like those of the families, about things that the detector has no class for."""

_BEGINNINGS = (
    "What . What is . What does . What did . What would . Who . Who is . Whose . Why . Why is . Why does "
    ". How . How do . How much . How long . How far . When . When was . Where . Where did . Which . Which "
    "of . Is . Is this . Is there something . Are . Are they . Was . Does . Do . Did . Can . Could . "
    "Would . Should . Will . Has . Tell me . Describe . Explain . Give . Give me . Show . Make . Write . "
    "Please . Imagine . Say . Compare . Guess . I . You"
)
BEGINNINGS = tuple(_BEGINNINGS.split(" . "))
"""How a question without a sense begins."""

_WORDS = (
    "the the the the a a of of to to and in it this that these those with for from by on at as or if you "
    "me my your we they he she them us it its not no more most much many few some all any every other "
    "another such same own very too so than then now here there always never often again still yet just "
    "only even about around through between under over before after during without within against along "
    "across behind beyond near far away back up down out off be been being have had having do done go "
    "going gone come came take took taken make made give gave given get got find found think thought know "
    "knew known want wanted need feel felt leave left put mean meant keep kept let begin seem help show "
    "hear heard play run move live believe hold bring happen write provide sit stand lose pay meet "
    "include continue set learn change lead understand watch follow stop create speak read allow add "
    "spend grow open walk win offer remember love consider appear buy wait serve die send expect build "
    "stay fall cut reach kill remain suggest raise pass sell require report decide pull good new first "
    "last long great little own old right big high different small large next early young important few "
    "public bad able sad glad angry strange nice cold hot warm dry soft hard heavy quick slow loud quiet "
    "rich poor clean dirty empty full strong weak sweet sour bitter fresh dead alive free busy late cheap "
    "safe sure true false simple ready whole special clear time year people way day man thing woman life "
    "child world school state family student group country problem hand part place case week company "
    "system program question work government number night point home water room mother area money story "
    "fact month lot right study book eye job word business issue side kind head house service friend "
    "father power hour game line end member law car city community name president team minute idea kid "
    "body information back parent face others level office door health person art war history party "
    "result change morning reason research girl guy moment air teacher force education colour price "
    "weight age music film language letter paper food voice dream joke secret purpose value rule meaning "
    "feeling future past nature"
)
WORDS = tuple(_WORDS.split())
"""What it goes on with, beside nouns."""
