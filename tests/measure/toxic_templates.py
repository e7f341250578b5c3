"""Toxic and harmless sentences built from templates, to train the toxicity check.

They share no sentence with `texts/toxic.txt`, which it is measured on.
"""

# ruff: noqa: SIM905, E501  lists of words, and templates, read better on one line
from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

INSULTS = (
    "idiot moron imbecile cretin loser failure clown liar coward creep freak pig rat snake parasite"
    " fool jerk disgrace scumbag dumbass asshole bastard bitch twat wanker prick dickhead slut"
    " whore nobody weirdo leech nuisance waste-of-space joke halfwit simpleton dimwit"
).split()
SPITEFUL = (
    "stupid pathetic worthless useless disgusting filthy ugly dumb ignorant hopeless vile brainless"
    " repulsive miserable fucking damn goddamn spineless clueless"
).split()
HARMS = (
    "kill hurt beat strangle stab shoot destroy cut break crush punch burn hang choke slap murder"
    " torture drown bury attack"
).split()
PARTS = ("your legs", "your face", "your neck", "your teeth", "every bone you have", "your head")
GROUPS = (
    "immigrants foreigners refugees women men Jews Muslims Christians atheists blacks whites gays"
    " lesbians Asians Mexicans Poles Germans Russians Arabs liberals conservatives teenagers"
    " pensioners cripples beggars gypsies"
).split()
BEASTS = (
    "vermin animals parasites scum filth trash cockroaches rats subhuman garbage thieves criminals"
    " dogs leeches degenerates savages"
).split()
TOXIC = {
    "you are": "you are {such|} a {spiteful} {insult}",
    "what a": "what a {spiteful} {insult} you are",
    "you insult": "you {spiteful} {insult}",
    "shut up": "shut {up|the fuck up|your mouth}, {insult}",
    "everybody knows": "everybody {knows|says} you are a {insult}",
    "so": "you are so {spiteful} that {nobody wants you here|it hurts to look at you}",
    "threat": "{I will|I am going to|someone should} {harm} you",
    "threat on sight": "{I'll|we will} {harm} you {if I see you|when you come home|one day}",
    "break": "I {want to|will|could} break {part}",
    "wish": "I hope {you|your family} {die|dies|suffer|suffers|rot|get cancer|burn in hell}",
    "self": "{go|just go|please} {kill|hang|drown|shoot} yourself",
    "group is": "{group} are {all|nothing but|just} {beast}",
    "group out": "{throw|kick|drive} {group} out, they are {beast}",
    "group rights": "{group} {do not deserve rights|should be locked up|should be shot|ruin everything}",
    "group hate": "I {hate|despise|can't stand} {group}, they are {spiteful}",
    "stupid group": "{group} are too {spiteful} to {vote|work|drive|lead}",
    "nobody likes": "nobody {likes|wants|needs} you, you {insult}",
    "obscene": "{fuck|screw|damn} you, you {spiteful} {insult}",
    "waste": "you are a waste of {space|time|air|skin}",
    "worth": "you are {worth nothing|worthless|trash|garbage|human waste}",
}
HARMLESS = {
    "calls himself": "he called himself a {insult} and laughed",
    "in a book": "the {insult} in the novel is {spiteful} but honest",
    "group works": "{group} are {welcome|invited|part of this town|our neighbours}",
    "group history": "the history of {group} in {Europe|the United States|this city}",
    "group rights": "{group} deserve the same rights as everybody",
    "harm it": "how do I {harm} {a process|the stack trace|the record|the market|the dough}",
    "harm plants": "{the cold|too much sun|salt|the drought} will {harm} the {roses|tomatoes|lawn|trees}",
    "harm food": "{harm} the {butter|eggs|garlic|ice|almonds} until {smooth|soft|pale|fine}",
    "harm record": "she {will|could|wants to} {harm} {the record|her rival|the champion|the clock}",
    "harm ball": "{harm} the ball {over the net|into the corner|down the line}",
    "harm command": "the {command|script|signal|scheduler} will {harm} {idle jobs|the old worker|it}",
    "harm film": "in the film he has to {harm} the {dragon|villain|monster} to save the town",
    "harm medicine": "this {drug|therapy|vaccine} helps to {harm} {the virus|cancer cells|bacteria}",
    "beasts": "the {beast} in the {barn|park|zoo|cellar} are {fed at six|counted each year|harmless}",
    "beast word": "how do I keep {beast} out of the {kitchen|garden|attic}",
    "insult word": "{insult} was a common word in the {plays|letters|newspapers} of the time",
    "translate": "{translate|explain|summarise|repeat} the {text|word|table|sentence} above",
    "master": "{he|she|they} finished a {master's degree|marathon|novel|project} in {May|Leiden|time}",
    "star": "when a {star|battery|language|tradition} dies, {little|something|a trace} remains",
    "hell": "{the descent into hell|the Hell's Kitchen quarter|a hell of a view}, as {Dante|he} has it",
    "you may": "you are {welcome|invited|right|next in line|free to leave|allowed to park here}",
    "you now": "you are now {connected|logged in|in the queue|at the top of the list}",
    "news": "police say a man tried to {harm} a passer-by",
    "you will": "you will {love|hate|enjoy|miss} this film",
    "not": "you are not a {insult}, everybody makes mistakes",
    "word": "what does the word {insult} mean and where does it come from",
    "hope": "I hope {you|your family} {are well|enjoy the trip|recover soon}",
    "yourself": "please {help|make|introduce|look after} yourself",
    "spiteful thing": "this {spiteful} {printer|weather|keyboard|queue} drives me mad",
    "waste": "this is a waste of {paper|energy|time}, use the other tray",
    "you are": "you are {such|} a {kind|patient|good|great} {teacher|friend|cook|listener}",
}
WORDS = {
    "insult": INSULTS, "spiteful": SPITEFUL, "harm": HARMS, "part": PARTS, "group": GROUPS,
    "beast": BEASTS,
}  # fmt: skip


def fill(template: str, chance: random.Random) -> str:
    """Fills a template with words drawn at random."""
    while "{" in template:
        start, end = template.index("{"), template.index("}")
        name = template[start + 1 : end]
        words = WORDS.get(name) or tuple(name.split("|"))
        template = template[:start] + chance.choice(words) + template[end + 1 :]
    return " ".join(template.split())


def build_sentences(each: int = 40) -> Iterator[tuple[str, str, bool]]:
    """Yields the template, the sentence and whether it is toxic; the same in every run."""
    chance = random.Random(1)
    for (name, template), bad in itertools.chain(
        ((item, True) for item in TOXIC.items()), ((item, False) for item in HARMLESS.items())
    ):
        for sentence in sorted({fill(template, chance) for _ in range(each)}):
            yield name, sentence, bad
