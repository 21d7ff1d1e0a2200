"""The names of things that the training chats speak of."""

from __future__ import annotations

from typing import Final


def _names(listing: str) -> tuple[str, ...]:
    """Split a listing at blanks; an underscore in it stands for a blank."""
    return tuple(name.replace("_", " ") for name in listing.split())


CITIES: Final = _names("""
    Paris London Berlin Madrid Rome Vienna Prague Lisbon Dublin Oslo Stockholm
    Helsinki Athens Warsaw Budapest Tokyo Osaka Seoul Beijing Shanghai Delhi Mumbai
    Bangkok Hanoi Jakarta Manila Sydney Perth Auckland Cairo Lagos Nairobi Boston
    Chicago Denver Seattle Austin Miami Dallas Toronto Montreal Lima Bogota Quito
    Zurich Geneva Munich Hamburg Lyon Porto Seville Naples Milan Krakow Riga Tallinn
    Reykjavik New_York San_Francisco Mexico_City Buenos_Aires Cape_Town Hong_Kong
    Los_Angeles Ghent Bergen Brussels Copenhagen Barcelona Istanbul Singapore Dubai
    Kyoto Vancouver Houston Phoenix Bristol Leeds Turin Valencia Lusaka Accra
    """)
PEOPLE: Final = _names("""
    Alice Bob Carol David Emma Frank Grace Henry Irene Jack Karen Liam Maria Nina
    Oscar Priya Quinn Rosa Sam Tara Uma Victor Wendy Yusuf Zoe Ahmed Bella Carlos
    Dana Elena Felix Gina Hugo Ivan Julia Kenji Laura Marco Noah Olga Pedro Rachel
    Stefan Tomas Vera Walter Amir Chloe Diego Fatima John Anna Lena Paul Mei Omar
    """)
TOPICS: Final = _names("""
    budget_review quarterly_planning project_kickoff the_roadmap hiring
    the_new_website design_review sales_figures the_launch code_review marketing
    the_contract team_retrospective product_demo security_audit the_merger
    onboarding customer_feedback sprint_planning the_annual_report travel_plans
    the_prototype data_migration sprint_review weekly_sync release_planning
    """)
WORDS: Final = _names("""
    invoice budget report notes resume contract summary meeting agenda photo receipt
    thesis draft proposal manual schedule recipe letter backup config readme
    changelog tax insurance passport ticket project design logo slides survey
    inventory payroll minutes diagram blueprint lecture homework essay journal
    """)
EXTENSIONS: Final = _names("pdf txt csv md docx py json xlsx png jpg html log")
FOLDERS: Final = _names("""
    Downloads Documents Desktop /home/ana/docs /tmp src projects /var/log archive
    reports /data/2024 work ~/notes photos shared/team docs tests backup/old
    """)
DAYS: Final = _names("""
    today tomorrow Monday Tuesday Wednesday Thursday Friday Saturday Sunday
    next_Monday next_Friday
    """)
FORECAST_DAYS: Final = (*DAYS, "next week")
MONTHS: Final = _names("""
    January February March April May June July August September October November
    December
    """)
KINDS: Final = {
    "animal": _names(
        "dog cat horse tiger lion rabbit bear wolf eagle shark whale mouse goat"
    ),
    "fruit": _names(
        "apple banana cherry grape lemon mango orange peach pear plum melon fig kiwi"
    ),
    "color": _names("red blue green yellow purple black white pink brown gray teal"),
    "vehicle": _names("car bus train truck bicycle plane boat scooter tram ferry van"),
    "vegetable": _names(
        "carrot potato onion spinach pepper tomato cabbage leek celery pea bean"
    ),
    "instrument": _names(
        "piano violin guitar drum flute trumpet cello harp banjo oboe tuba"
    ),
    "tool": _names("hammer saw wrench drill pliers shovel axe rake chisel ladder"),
}
CAPITALS: Final = {
    "France": "Paris",
    "Germany": "Berlin",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Japan": "Tokyo",
    "Egypt": "Cairo",
    "Norway": "Oslo",
    "Austria": "Vienna",
    "Ireland": "Dublin",
    "Greece": "Athens",
    "Poland": "Warsaw",
    "Peru": "Lima",
    "Kenya": "Nairobi",
    "Portugal": "Lisbon",
    "Sweden": "Stockholm",
}
EXTENSION_OF_LANGUAGE: Final = {
    "Python": "py",
    "Markdown": "md",
    "JSON": "json",
    "text": "txt",
    "PDF": "pdf",
    "CSV": "csv",
    "HTML": "html",
    "log": "log",
    "Word": "docx",
    "PNG": "png",
    "YAML": "yaml",
    "Rust": "rs",
}
COMMON_WORDS: Final = _names("""
    the a one two three hello world this that is was good day time test ready done
    yes no blue green house water year people first last great small old new right
    left high low open close start stop begin end true false thing place hand part
    life work week case point
    """)
CONDITIONS: Final = _names("sunny cloudy rainy windy foggy clear")
SYSTEM_TEXTS: Final = (
    "You are a helpful assistant.",
    "Be concise.",
    "You are a careful assistant. Use a tool when it helps.",
    "Answer briefly and follow the requested format.",
    "You are an assistant with access to tools.",
    "Follow instructions exactly.",
    "You are a test assistant.",
    "Use tools only when they are needed.",
)
