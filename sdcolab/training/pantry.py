"""A project's pictures made ready, with a line for everything that is done: unpack, set doubles aside, tag, edit
tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.errors import DatasetEmpty, DatasetMissing, SdcolabError, TagsRepeated
from sdcolab.core.words import explain
from sdcolab.core.words import kitchen as words
from sdcolab.training.bases import CAPTIONERS, TAGGERS
from sdcolab.training.preparing import SET_ASIDE, find_doubles, set_aside, unpack
from sdcolab.training.recipe_form import Places, check_name
from sdcolab.training.survey import survey
from sdcolab.training.tagger import Tagger, TaggerRules
from sdcolab.training.tags import TagBook, has_caption, pictures_below, restore, split_tags, write_caption

SHOWN_TAGS = 50
SHOWN_SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Pantry:
    """``home`` is the user's Drive or the program's folder; ``fetch`` brings a tagger's files to a folder and returns
    it; ``sentences`` gives what the captioner in a folder says of each picture, "text" or "error". ``done``
    hears how many pictures are captioned of how many; what it raises ends the work.
    """

    home: Path
    say: Callable[[str], object]
    fetch: Callable[[str], Path]
    sentences: Callable[[Path, Sequence[Path]], Iterator[Mapping[str, str]]]
    done: Callable[[int, int], object] = lambda _count, _total: None

    def prepare(self, project: str, structure: str, archive: str, repeats: int, *, doubles: bool) -> None:
        """🖼️ Unpack, set doubles aside, and tell what there is."""
        folder = self._folder(project, structure)
        if archive.strip():
            target = folder / f"{max(1, repeats)}_repeticiones"
            self.say(words.UNPACKING)
            self.say(words.UNPACKED.format(count=unpack(Path(archive.strip()).expanduser(), target), folder=target))
        pictures, told = self._pictures(folder), list[str]()
        if doubles:
            self.say(words.SEEKING_DOUBLES)
            found = find_doubles(pictures, lambda warning: told.append(warned(warning)), self.done)
            for line in told:
                self.say(line)
            if found:
                set_aside(found, folder)
                self.say(words.DOUBLES.format(count=len(found), folder=SET_ASIDE))
            else:
                self.say(words.NO_DOUBLES)
        for line in survey(folder):
            if line not in told:
                self.say(line)

    def tag(
        self,
        project: str,
        structure: str,
        tagger: str,
        threshold: float,
        *,
        characters: bool,
        undesired: str,
        only_bare: bool = False,
    ) -> None:
        """🏷️ Write a caption beside each picture, or beside those that have none."""
        pictures = self._pictures(self._folder(project, structure))
        if only_bare:
            pictures = [path for path in pictures if not has_caption(path)]
        if not pictures:
            self.say(words.ALL_CAPTIONED)
            return
        if any(map(has_caption, pictures)):
            self.say(words.KEPT)
        self.say(words.PREPARING.format(tagger=tagger))
        if tagger in CAPTIONERS:
            self.describe(pictures, self.fetch(CAPTIONERS[tagger].repository))
            return
        model = Tagger(self.fetch(TAGGERS.get(tagger, tagger)))
        rules = TaggerRules(
            threshold=threshold,
            character_threshold=None if characters else 1.1,
            without_underscores=True,
            undesired=split_tags(undesired),
        )
        written = bare = 0

        def tell(_path: Path, tags: list[str]) -> None:
            nonlocal written, bare
            written, bare = written + 1, bare + (not tags)

        counts = model.tag_files(self._counted(pictures), rules, tell=tell, hear=self._warn)
        if counts:
            self.say(words.COMMONEST)
            self.say(", ".join(f"{tag} ({count})" for tag, count in counts.most_common(SHOWN_TAGS)))
        if bare:
            self.say(words.NO_TAGS.format(count=bare, threshold=f"{threshold:g}"))
        self.say(words.TAGGED.format(count=written))

    def describe(self, pictures: Sequence[Path], model: Path) -> None:
        """A sentence beside each picture, by a model that works in a process of its own."""
        done = 0
        for path, told in zip(self._counted(pictures), self.sentences(model, pictures), strict=False):
            if "text" not in told:
                self.say(f"⚠️ {path.name}: {told.get('error', '')}")
                continue
            write_caption(path, f"{told['text']}\n")
            done += 1
            if done <= SHOWN_SENTENCES:
                self.say(f"📝 {path.name}: {told['text']}")
        self.say(words.DESCRIBED.format(count=done))

    def edit(
        self, project: str, structure: str, *, activation: str, remove: str, search: str, replacement: str, undo: bool
    ) -> None:
        """✏️ Change every caption at once, or go back."""
        folder = self._folder(project, structure)
        self._pictures(folder)
        if undo:
            self.say(words.RESTORED.format(count=restore(folder)))
            return
        book = TagBook.read(folder)
        if remove.strip():
            book = book.remove(split_tags(remove))
        if search.strip():
            book = book.replace(split_tags(search), split_tags(replacement))
        if activation.strip():
            book = book.add(split_tags(activation))
        changed = book.changed
        book = book.save()
        self.say(words.CHANGED.format(count=changed))
        self.say(", ".join(f"{tag} ({count})" for tag, count in book.counts().most_common(SHOWN_TAGS)))
        if activation.strip():
            self.say(words.KEEP_TOKENS)
        if often := book.intrinsic():
            self.say(f"💡 {explain(TagsRepeated(tags=', '.join(often)))}")

    def _folder(self, project: str, structure: str) -> Path:
        return Places.of(self.home, check_name(project), structure).pictures

    def _pictures(self, folder: Path) -> list[Path]:
        if not folder.is_dir():
            raise DatasetMissing(folder=folder)
        found = pictures_below(folder)
        if not found:
            raise DatasetEmpty(folder=folder)
        return found

    def _counted(self, pictures: Sequence[Path]) -> Iterator[Path]:
        """``pictures``, telling ``done`` of those that are over."""
        for count, path in enumerate(pictures):
            self.done(count, len(pictures))
            yield path
        self.done(len(pictures), len(pictures))

    def _warn(self, warning: SdcolabError) -> None:
        self.say(warned(warning))


def warned(warning: SdcolabError) -> str:
    """The line that tells ``warning``, as ``survey`` writes it."""
    return f"⚠️ {explain(warning)}"
