# ruff: noqa: E501
"""Phrases that `caption_checks.py` makes captions of.

Even lines were looked at while the checks were written, of odd ones the totals; the `LAST_` lists were written when the
checks were done, and what they showed was then mended.
"""

STYLES = (
    "{A} {color} {thing} photographed from the {side}. {It} made of {stuff} with {detail}, and {it} set before "
    "{a_ground} backdrop. {Light} falls evenly, so that seams and edges stay crisp and the colour reads true.",
    "{A} {thing} in {color}, seen from the {side}, sits in the middle of the frame. The {stuff} has {detail}; the ground "
    "behind is {ground}. {Light} leaves hardly any shadow and shows how the surface catches highlights.",
    "Centred and shot from the {side}, {a} {color} {thing} fills most of the picture. {Detail} stand out against the "
    "{stuff}. Around it there is nothing but {a_ground} surface under {light}, slightly darker towards the corners.",
    "{A} {color} {thing} with {detail}. {Light} comes from the left and models the {stuff} softly, while {a_ground} "
    "ground keeps all attention on the product, which is turned a little to the {side}.",
    "{A} {thing} made of {stuff}, {color} all over, shown from the {side}. It has {detail}, a tidy outline and an even "
    "finish. The backdrop is {ground}, and {light} makes the texture visible without glare.",
    "Against {a_ground} wall hangs {a} {color} {thing}. {Detail} can be made out, as can the weave of the {stuff}. The "
    "view is from the {side}, at eye level, in {light} that does not quite reach the lower edge.",
    "{A} {color} {thing}, carefully arranged and seen from the {side}; {detail}; {stuff}. The setting is plain: "
    "{a_ground} ground, {light}, no other objects, generous empty space on either side of it.",
    "Simple and close up, {a} {color} {thing} of {stuff} is laid out with its {side} towards the camera. It carries "
    "{detail}. Everything else is {ground} and out of focus, lit by {light}.",
)
"""Good dense captions."""

SHORT_STYLES = (
    "{A} {color} {thing} on {a_ground} ground",
    "{color} {thing}, {side} view, {light}",
    "{A} {thing} in {color} with {detail}",
    "{A} {color} {thing} of {stuff} before {a_ground} wall.",
    "{color} {thing} in {light} on {ground}",
    "Close-up of {a} {color} {thing}, {side} view",
    "{A} {color} {thing} made of {stuff}, seen from the {side}",
    "Studio photo of {a} {color} {thing}, {a_ground} backdrop",
)
"""Good short captions."""

WORN = (
    " {Someone} wears it together with {other_color} {other}, arms at the sides, face out of the frame.",
    " It is paired with {other_color} {other} on {someone} who looks past the camera.",
    " Below it {other_color} {other} can be seen, which belong to {someone}.",
    " {Someone} stands upright and has combined it with {other_color} {other}.",
)
SIDES = ("front", "back", "left", "right")
STUFFS = ("cotton", "ribbed knit", "smooth jersey", "woven fabric", "brushed polyester", "sturdy twill")
PRODUCE_STUFFS = ("smooth skin", "taut skin", "dimpled skin", "glossy peel")
DETAILS = (
    "a small logo near the edge",
    "visible seams along both sides",
    "contrast stitching",
    "a narrow trim",
    "faint creases from folding",
    "neat double hems",
)
PRODUCE_DETAILS = ("a short stem", "faint speckles", "a few tiny dents", "a soft sheen")
LIGHTS = ("soft daylight", "diffuse studio light", "even light from above", "cool indoor light")
GROUNDS = ("white", "pale grey", "cream", "dark blue", "green", "black", "pinkish", "brown wooden", "checked red")
PEOPLE = ("a man", "a woman", "a young model", "somebody")

REFUSALS = (
    "I'm sorry, but I can't help with identifying the people in this picture.",
    "My apologies, however describing individuals is something I do not do.",
    "Unfortunately, I am not able to view the file that you sent me.",
    "Regrettably the attachment failed to load, so no description is possible.",
    "As an AI language model, I do not have the ability to look at photos.",
    "I must respectfully refuse to describe what someone is wearing.",
    "Sorry, that request goes against our content policy.",
    "It is not possible for me to comment on this person's appearance.",
    "I cannot make out any product. Could you upload a clearer photo?",
    "There doesn't seem to be an image attached to your message.",
    "I'm unable to provide a description of real persons in photographs.",
    "I won't be able to do that, but feel free to ask me something else!",
    "We are unable to process this request because it may violate our usage guidelines.",
    "Apologies, I don't see any picture here, so please share it again.",
)
PREAMBLES = (
    "The image shows {caption}",
    "Pictured in this shot we find {caption}",
    "This is a photo of {caption}",
    "Here we have {caption}",
    "In the picture, we can see {caption}",
    "The photograph presents {caption}",
    "Sure! {Caption}",
    "Certainly, below is a description that fits your needs: {caption}",
    "Caption: {Caption}",
    "Product description: {Caption}",
    "I see {caption}",
    "We are looking at {caption}",
    "This close-up image reveals {caption}",
    "This product photograph displays {caption}",
    "A photo showing {caption}",
    "Visible in the photo is {caption}",
    "Here's a dense paragraph for the photo: {Caption}",
    "Your image portrays {caption}",
)
MARKUPS = (
    "**{start}** {rest}",
    "*{start}* {rest}",
    "# {start}\n{rest}",
    "Title\n=====\n{start} {rest}",
    "- {start}\n- {rest}",
    "1. {start}\n2. {rest}",
    "<p>{start} {rest}</p>",
    "{start}<br/>{rest}",
    "{start} {rest}<|im_end|>",
    "{start} {rest}</s>",
    '{{"caption": "{start} {rest}"}}',
    "[INST] {start} {rest}",
    "{start} {rest}\n\n{rest}",
    "| Item | Text |\n|---|---|\n| 1 | {start} {rest} |",
    "```\n{start} {rest}\n```",
    "{start} &amp; {rest}",
    "{start} (see https://example.com/p/1) {rest}",
    "[{start}](product.html) {rest}",
)
FOREIGN = (
    "Ein {thing} aus weichem Stoff liegt auf einem hellen Tisch, und von links kommt Licht auf die Nähte, die sauber sind.",
    "Ein {thing} vor neutraler Wand, mit feinen Nähten und einem kleinen Logo an der Seite, gleichmäßig beleuchtet, von "
    "vorn aufgenommen, ohne weitere Gegenstände im Bild.",
    "Un {thing} posé sur une surface claire, avec des coutures visibles, et la lumière vient de la gauche du cadre sans "
    "ombre dure.",
    "Vue de face, le {thing} présente des finitions soignées; l'arrière-plan est uni, éclairage doux, aucune autre chose "
    "dans le cadre.",
    "Un {thing} de tela suave sobre un fondo claro, con costuras visibles y una luz que llega desde la izquierda.",
    "La prenda, un {thing}, se ve de frente en el centro de la imagen; las costuras son finas y la luz es pareja.",
    "Un {thing} in tessuto morbido su uno sfondo chiaro, con le cuciture in vista e una luce che arriva da sinistra.",
    "Il {thing} è al centro della foto, visto di fronte, con finiture curate e nessun altro oggetto nella scena.",
    "Een {thing} van zachte stof op een lichte ondergrond, met nette naden en licht dat van links komt op het midden.",
    "Um {thing} de tecido macio sobre um fundo claro, com costuras visíveis e luz que vem da esquerda para o centro.",
    "一件柔软的衣服放在浅色背景上，左侧有柔和的光线，缝线清晰可见，没有其他物品，整体看起来很整洁。",
    "A {thing} 放在浅色背景上，左侧有柔和的光线，缝线清晰可见，没有其他物品，整体看起来很整洁。",
    "Мягкая вещь лежит на светлом фоне, слева падает ровный свет, швы хорошо видны, и больше ничего в кадре нет совсем.",
    "منتج من قماش ناعم على خلفية فاتحة مع إضاءة لطيفة من اليسار وخياطة واضحة ولا توجد أشياء أخرى في الصورة",
    "柔らかい布の服が明るい背景に置かれ、左から柔らかい光が当たり、縫い目がはっきり見えます。ほかには何もありません。",
    "부드러운 천으로 만든 옷이 밝은 배경 위에 놓여 있고 왼쪽에서 빛이 들어오며 바느질이 선명하게 보입니다.",
)
FILLER = (
    "The {n} stitch line runs parallel to the hem and ends just before the corner.",
    "A thread of the {n} row is slightly thicker than its neighbours, which gives the cloth some life.",
    "Near the {n} fold the surface turns from matte to a gentle sheen.",
    "The shadow along the {n} edge is thin, soft and only a shade darker than what surrounds it.",
    "One notices how the {n} panel was cut on the bias so that it drapes without pulling.",
    "Dust or lint is absent, even in the {n} crease, where it would most easily collect.",
)
ORDINALS = (
    *(
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
    ),
    *("thirteenth", "fourteenth", "fifteenth", "sixteenth"),
)
FAR_COLORS = {
    "white": ("navy blue", "red", "black", "green"),
    "gray": ("red", "bright yellow", "pink", "green"),
    "black": ("white", "yellow", "pink", "light green"),
    "red": ("blue", "green", "white", "black"),
    "orange": ("blue", "purple", "black", "white"),
    "yellow": ("purple", "blue", "black", "red"),
    "green": ("red", "purple", "pink", "white"),
    "teal": ("red", "orange", "yellow", "pink"),
    "blue": ("orange", "yellow", "red", "pink"),
    "purple": ("green", "yellow", "white", "black"),
    "pink": ("green", "black", "blue", "brown"),
    "brown": ("blue", "green", "pink", "white"),
    "beige": ("purple", "blue", "black", "red"),
}
OTHER_THINGS = {
    "wear": ("teapot", "wristwatch", "armchair", "laptop", "pair of sneakers", "handbag", "desk lamp", "potato"),
    "footwear": ("hoodie", "blouse", "ceramic mug", "backpack", "skirt", "banana", "pair of headphones", "necklace"),
    "produce": ("leather boot", "smartphone", "sofa", "sweater", "pumpkin-shaped lantern", "dress", "bracelet", "vase"),
}

LAST_STYLES = (
    "Displayed on a model from the chest down, the {color} {thing} has a relaxed cut and {detail}. The {stuff} drapes in gentle folds, and the pale backdrop is lit so evenly that only a hint of a shadow shows at the {side}.",
    "Folded once and laid flat, {a} {color} {thing} takes up the middle of a {ground} sheet. {Detail} and the texture of the {stuff} are easy to see. The camera looks straight down; the light is {light}, with a brighter patch in the upper corner.",
    "This {color} {thing} is made of {stuff}. Seen from the {side}, it shows {detail}; a white label with small black letters is sewn in near the top. Behind it is a {ground} floor, in focus only at the front.",
    "{A} {thing}, photographed from the {side} in {light}. Its surface is {color} with slightly lighter spots where the light hits the {stuff}. It has {detail} and casts a short grey shadow on the {ground} ground.",
    "On a {ground} carpet lies {a} {color} {thing} with its {side} facing up. {Detail} break the otherwise plain {stuff}. A strip of brown parquet and a white skirting board are visible along the top edge.",
    "The {color} {thing} stands out clearly against {a_ground} wall. {Detail}, the {stuff} and a black-and-white printed tag are sharp; everything further back is soft, and the overall mood is calm and neutral in {light}.",
)
LAST_SHORT_STYLES = (
    "{A} {color} {thing} with {detail}, laid flat on a {ground} sheet",
    "The {side} of {a} {color} {thing}, {stuff}, in {light}",
    "{color} {thing} hanging on a white door, {light}",
    "{A} plain {color} {thing} with a black and white label",
    "{A} {color} {thing}, close up, with {detail}, no background visible",
)
LAST_WORN = (
    " The wearer, {someone} with brown hair and a red bracelet, also has {other_color} {other} on.",
    " {Someone} in {other_color} {other} models it with one hand in a pocket.",
)
LAST_REFUSALS = (
    "I apologize, but this request involves an identifiable person and I would rather not continue.",
    "Sorry, I am having trouble seeing the picture at the moment.",
    "I don't feel comfortable describing this image.",
    "The request was blocked by the safety system; no description was generated.",
    "Content not available: the picture was flagged as sensitive.",
    "As a responsible assistant, my role does not include judging what people wear.",
    "It seems that you forgot to attach the photo.",
    "Error: the input image could not be processed by the model.",
)
LAST_PREAMBLES = (
    "Displayed before us is {caption}",
    "Sure thing, here's my take: {Caption}",
    "In this e-commerce image, we see {caption}",
    "This product photo features {caption}",
    "The main subject of the image is {caption}",
    "What you see here is {caption}",
    "Image description: {Caption}",
    "The provided photograph showcases {caption}",
    "**Answer:** {Caption}",
    "From the photo, it is clear that there is {caption}",
)
LAST_MARKUPS = (
    "### Caption\n{start} {rest}",
    "{start}\n\n{rest}",
    "<caption>{start} {rest}</caption>",
    "{start} **{rest}**",
    "<|assistant|>{start} {rest}",
    "{start} {rest} #fashion #style",
    "* {start}\n* {rest}",
    "{start} {rest} [1]",
    "{start} $\\approx$ {rest}",
    "<think>plain enough</think>{start} {rest}",
)
LAST_FOREIGN = (
    "Ein {thing} liegt flach ausgebreitet da; Stoff, Naht und Saum sind gut zu erkennen, der Hintergrund ist hell.",
    "Le {thing} est étalé à plat, on distingue bien la couture et l'ourlet, le fond reste clair et uni.",
    "El {thing} aparece extendido; se distinguen bien la costura y el dobladillo, y el fondo es claro y liso.",
    "Et {thing} ligger udbredt på gulvet, og man kan tydeligt se syningerne og den lyse baggrund bag ved.",
    "Płasko rozłożony {thing} leży na jasnym tle, szwy są dobrze widoczne, a światło pada z lewej strony.",
    "{thing} açık renkli bir zemin üzerinde duruyor, dikişler çok net ve ışık soldan geliyor, başka bir şey yok.",
    "商品平铺在浅色地面上，可以清楚看到缝线和边缘，光线均匀柔和，背景干净，没有其他物体。",
    "A plain {thing}. 背景干净，光线均匀柔和，可以清楚看到缝线和边缘，没有其他物体。",
)
LAST_THINGS = {
    "wear": ("bicycle", "coffee mug", "wooden chair", "camera", "pair of boots", "wallet", "bowl of tomatoes"),
    "footwear": ("bicycle", "cardigan", "wooden chair", "necklace", "pair of jeans", "wallet", "toaster"),
    "produce": ("bicycle", "coffee mug", "cardigan", "pair of jeans", "toy car", "paperback book", "toaster"),
}
