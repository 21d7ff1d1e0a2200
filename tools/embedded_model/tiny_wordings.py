"""How users ask for each kind of thing; the names in braces are filled in."""

from __future__ import annotations

from typing import Final


def _lines(listing: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in listing.strip().splitlines())


ASKS: Final = {
    "weather": _lines("""
        What's the weather in {city}{day}{unit}?
        What is the weather like in {city}{day}{unit}?
        How's the weather in {city}{day}?
        Weather in {city}{day}{unit}
        Give me the forecast for {city}{day}{unit}.
        Tell me the temperature in {city}{day}{unit}.
        Will it rain in {city}{day}?
        Do I need an umbrella in {city}{day}?
        Is it cold in {city}{day}?
        How hot is it in {city}{day}{unit}?
        Check the weather for {city}{day}{unit}.
        I'm travelling to {city}{day}. What will the weather be{unit}?
        Is it snowing in {city}{day}?
        What should I wear in {city}{day}?
        {city} weather{day}{unit}?
        Look up the conditions in {city}{day}{unit}.
        I need the weather report for {city}{day}{unit}.
        Is it sunny in {city}{day}?
        How warm will it be in {city}{day}{unit}?
        Show me the current weather in {city}{unit}.
        I'm in {city}. Should I take a coat{day}?
        Should I bike or drive in {city}{day}?
        I'm going to {city}{day}, anything to know?
        Forecast for {city}{day}{unit}, please.
        How many degrees is it in {city}{day}{unit}?
        Find out if it is windy in {city}{day}.
        I'm packing for {city}{day}. Do I need a jacket?
        We want a picnic in {city}{day}. Good idea?
        """),
    "files": _lines("""
        Find files named {query}{place}.
        Search for {query}{place}.
        Where is my {query} file?
        Find {ext} files about {query}{place}.
        Look for {ext} files mentioning {query}{place}
        Locate documents containing {query}{place}.
        Search my files for "{query}"{place}.
        Show me up to {limit} files about {query}{place}.
        I can't find {query}. Search for it{place}.
        Which files mention {query}{place}?
        Find the document called {query}{place}.
        List {ext} files matching {query}{place}.
        Search {query} in my documents.
        I lost my {query} file, can you find it?
        Get me {limit} documents about {query}{place}.
        Do I have any {ext} files about {query}{place}?
        Look through my files for {query}{place}.
        Find every {ext} file with {query} in the name{place}.
        Where did I save {query}?
        Search the disk for {query}{place}.
        Find me the file {query}{place}.
        Is there a document about {query}{place}?
        Look up files on {query}{place}, at most {limit}.
        Dig up the {query} document{place}.
        """),
    "glob": _lines("""
        Find all {language} files{place}.
        List every {language} file{place}.
        Search for files matching {glob}{place}.
        Show me the {language} files{place}.
        Which {language} files are there{place}?
        Get all files like '{glob}'{place}.
        Look for {glob}{place}.
        Are there any {language} files{place}?
        I need all the {language} files{place}
        Search for '{glob}'{place}.
        Locate {language} files{place}.
        Give me every {language} file you can find{place}.
        """),
    "meeting": _lines("""
        Schedule a meeting with {who} {day} at {time}{subject}{length}.
        Book a call with {who} {day} at {time}{subject}{length}.
        Set up a meeting with {who} for {day} at {time}{subject}.
        Put a meeting with {who} on my calendar {day} at {time}{subject}{length}.
        Arrange an appointment with {who} {day} at {time}{length}.
        Create an event with {who} {day} at {time}{subject}{length}.
        I need to meet {who} {day} at {time}{subject}.
        Plan a meeting{subject} with {who} {day} at {time}{length}.
        Add a meeting with {who} at {time} {day}{subject}.
        Meet with {who} {day} at {time}{subject}{length}
        Can we get {who} on a call {day} at {time}{subject}?
        Invite {who} to a meeting {day} at {time}{subject}{length}.
        Block {time} {day} for {who}{subject}{length}.
        New meeting: {who}, {day}, {time}{subject}.
        Schedule {who} {day} {time}{subject}{length}
        Please book {time} {day} with {who}{subject}.
        Make an appointment{subject} with {who} for {day} at {time}.
        Get me a slot with {who} {day} at {time}{length}.
        Set a call at {time} {day} with {who}{subject}{length}.
        Reserve {time} {day} for a talk with {who}{subject}.
        Let's talk to {who} {day} at {time}{subject}; schedule it.
        Organize a meeting {day} at {time} with {who}{subject}{length}.
        Schedule a meeting called '{title}' for {day} at {time} with {who}.
        Create '{title}' {day} at {time} with {who}.
        Set up a meeting, '{title}', for {day} at {time}. {who} should come.
        Book '{title}' with {who} {day} at {time}.
        I want a meeting titled "{title}" {day} at {time} with {who}.
        Send an invite to {who} for {day} at {time}{subject}.
        Fix a meeting with {who}{subject} {day} at {time}.
        """),
}
"""Whole sentences, per kind."""

_TELL: Final = (
    *("Tell me", "I want to know", "Can you tell me", "Could you check", "Find out"),
    *("I'd like to know", "Let me know", "Do you know", "Please check"),
    *("Can you see", "Check", "I wonder"),
)
_DO: Final = (
    *("Can you", "Could you", "I want you to", "I need you to", "Would you", "Please"),
    *("I'd like you to", "Help me", "You should", "Can you please", "Now", "Go and"),
)
LEADS: Final = {"weather": _TELL, "files": _DO, "glob": _DO, "meeting": _DO}
"""Openings, each of which goes with each of `CORES`."""

CORES: Final = {
    "weather": _lines("""
        the weather in {city}{day}{unit}
        how warm it is in {city}{day}{unit}
        whether it will rain in {city}{day}
        what the forecast for {city} is{day}{unit}
        if I need a coat in {city}{day}
        the temperature in {city}{day}{unit}
        how cold it gets in {city}{day}{unit}
        if it is sunny in {city}{day}
        what it is like outside in {city}{day}
        how the weather is{day} in {city}
        """),
    "files": _lines("""
        find {query}{place}
        search for {query}{place}
        look for {ext} files about {query}{place}
        locate the {query} file{place}
        get up to {limit} files on {query}{place}
        list files containing {query}{place}
        find the file {query}{place}
        show files that mention {query}{place}
        find my {query} document{place}
        search the files for {query}{place}
        """),
    "glob": _lines("""
        find all {language} files{place}
        list the {language} files{place}
        search for {glob}{place}
        show every {language} file{place}
        find files matching {glob}{place}
        get the {language} files{place}
        """),
    "meeting": _lines("""
        schedule a meeting with {who} {day} at {time}{subject}{length}
        book {who} {day} at {time}{subject}{length}
        set up a call with {who} {day} at {time}{subject}{length}
        plan a talk with {who} for {day} at {time}{subject}
        arrange a meeting at {time} {day} with {who}{subject}{length}
        add '{title}' with {who} {day} at {time}
        create a meeting called '{title}' with {who} {day} at {time}
        put {who} on my calendar {day} at {time}{subject}{length}
        """),
}
"""The second halves of sentences, per kind."""

STAMP_ASKS: Final = (
    "Schedule a meeting with {who} at {time}{subject}.",
    "Book {time} with {who}{subject}.",
    "Meeting with {who}{subject}, start {time}.",
)
"""Meetings asked for with one ISO stamp instead of day and time."""

QUESTIONS: Final = {
    "exact": _lines("""
        Reply with exactly: {}
        Say only: {}
        Respond with exactly "{}" and nothing else.
        Output exactly this text: {}
        Repeat after me: "{}"
        Answer with this and nothing more: {}
        Write "{}" and stop.
        Reply exactly {}
        Echo: {}
        Say "{}".
        Print the following text exactly: {}
        Your whole reply must be "{}".
        """),
    "integer": _lines("""
        Extract the integer from this text: {}
        What number appears in "{}"? Reply with the number only.
        Extract the number: {}
        {} What is the number? Answer with digits only.
        Return only the integer in: {}
        Give me just the number from this sentence: {}
        Find the integer in "{}" and output only it.
        Number in the text, digits only: {}
        Pull out the integer. {}
        Which integer is mentioned here? {}
        Read the text and return the number. Text: {}
        Integer only, please: {}
        """),
    "iso_date": _lines("""
        Convert {} to ISO format.
        Write {} as YYYY-MM-DD.
        What is {} in ISO 8601?
        Give the date {} in YYYY-MM-DD format.
        ISO date for {}?
        Format {} as an ISO date.
        Reformat this date as YYYY-MM-DD: {}
        Turn {} into an ISO date.
        """),
    "json_keys": _lines("""
        Return JSON with keys {keys}: {sentence}
        Answer with a JSON object with the keys {keys}. Text: {sentence}
        {sentence} Give me JSON with {keys}.
        Extract {keys} as JSON from: {sentence}
        Output only JSON with fields {keys} for: {sentence}
        Make a JSON object ({keys}) from this: {sentence}
        """),
    "bullets": _lines("""
        List {n} {k}s as bullet points.
        Give me {n} {k}s in a bulleted list.
        Name {n} {k}s, one bullet each.
        {n} bullets: {k}s.
        Write {n} bullet points naming {k}s.
        Bullet list of {n} {k}s, please.
        """),
    "arithmetic": _lines("""
        What is {}?
        Compute {}.
        {} = ?
        Calculate {}. Answer with the number only.
        How much is {}?
        Work out {}.
        """),
    "capital": _lines("""
        What is the capital of {}?
        Name the capital of {}.
        Which city is the capital of {}?
        Capital of {}?
        Tell me {}'s capital.
        What's {}'s capital city?
        """),
    "count": _lines("""
        Count from 1 to {}.
        Count to {}.
        List the numbers from 1 to {}.
        Write the integers 1 through {}.
        Numbers 1 to {}, please.
        Count up to {}.
        """),
    "story": _lines("""
        Tell me a short story.
        Write a short story about a {}.
        Tell me a story about a {}.
        Make up a tiny tale.
        Write a few sentences about a {}.
        Give me a short tale about a {}.
        """),
    "code": _lines("""
        Write a Python script that {}.
        Can you write code that {}?
        Show me a program that {}.
        I need a function that {}.
        Give me Python code that {}.
        How would you code something that {}?
        """),
}
"""The plain tasks' questions."""

PROGRAMS: Final = (
    "checks the weather with an API",
    "finds all PDF files",
    "schedules a meeting",
    "prints hello",
    "reads a file",
    "sorts a list",
)

GREETINGS: Final = ("Please ", "Hey, ", "Hi! ", "Can you help? ", "Hello, ", "OK, ")
THANKS: Final = (" Thanks!", " Please.", " Thank you.", " It is urgent.")
