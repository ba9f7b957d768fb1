# English. Keys by place; whole sentences; every key also in es.ftl.

## The frame

skip = Skip to content
nav-main = Main
nav-overview = Overview
nav-run = Run
nav-containers = Containers
nav-store = Store
nav-images = Images
nav-registry = Registry
nav-keep = Keep
nav-audit = Audit
nav-host = Host
nav-up = up { $duration }
nav-menu = Menu
nav-operations = Operations
nav-account-of = { $name }, your account
nav-sign-out = Sign out
tray-all = All operations
crumb = Breadcrumb
live-rows = Rows update as things change.
live-lost = Not live at present. Reload the page.
copied = Copied
close = Close
keys-title = Keys
keys-search = Search, go to a page
keys-filter = Filter this list, search this log
keys-go = Go to overview, containers, images, builds, audit, teams
keys-rows = Next row, row before; arrows too
keys-open = Open the row
keys-select = Select the row; all rows from the last one selected to here
keys-act = The row's logs; stop or start; restart
keys-menu = The row's menu
keys-logs = In logs: follow or pause, next match (Shift: the one before), times, wrap
keys-close = Close what is on top
keys-off = Single keys can be switched off:
hint-move = move
hint-select = select
hint-logs = logs
hint-all = all keys
hint-follow = follow
hint-search = search
hint-next = next
hint-times = times
hint-wrap = wrap
copy = Copy
copy-id = Copy the full id
apply = Apply
reload = Reload
filter-clear = Clear the filter
question = { $title }?
keep-as-is = Keep as it is
cancel = Cancel
none = none
yes = yes
no = no
name = Name
image = Image
size = Size
id = Id
since = Since
time = Time
cpu = CPU
memory = Memory
network = Network
disk = Disk
address = Address
gateway = Gateway
environment = Environment
labels = Labels
of = of { $limit }
of-cores =
    { $cores ->
        [one] of { $cores } core
       *[other] of { $cores } cores
    }
and-out = in · { $rate } out
and-read = written · { $rate } read
limit-cores =
    { $cores ->
        [one] { $cores } core
       *[other] { $cores } cores
    }
limit-pids =
    { $count ->
        [one] { $count } process
       *[other] { $count } processes
    }
chart-label = { $what }, the last 15 minutes, now { $now }
time-now = now
time-ago = { $duration } ago
start = Start
stop = Stop
stop-ask = Stop…
restart = Restart
kill-ask = Kill…
remove-ask = Remove…
duplicate-ask = Duplicate…
start-one = Start { $name }
stop-one = Stop { $name }
kill-one = Kill { $name }
remove-one = Remove { $name }
stop-and-remove-one = Stop and remove { $name }
logs-of = Logs of { $name }
more-for = More for { $name }
new-from = New container from { $name }
select-all = Select all on this page
select-one = Select { $name }
bulk-chosen = Selected
show-next = Show { $count } more
read-only = read only
read-write = can be written

## States

state-label = State
state-any = Any state
state-created = Created
state-running = Running
state-ended = Exited
state-exited = Exited ({ $code })
state-removing = Being removed
state-out-of-memory = out of memory
outcome-done = Done
outcome-refused = Refused
outcome-failed = Failed
outcome-cut-off = Cut off
outcome-open = Running

## Overview and search

overview-lead = { $running } of { $total } containers running
overview-attention = Needs attention
overview-host-lacks = This host
overview-running = Containers running
overview-activity = Recent activity
overview-host = Host
host-system = System
host-kernel = Kernel
host-cgroups = Control groups
host-mapped = Container ids are mapped to ids of their own
host-data = Data folder
search-everything = Everything
search-hint = Search or go to…
search-label = Search or go to
search-title = Search
search-page = page
search-nothing = Nothing has this name

## Containers

containers-lead = { $total } in all · { $running } running
containers-new = New container
containers-filter = Filter by name, image or label
containers-filter-hint = Name, image, label…
containers-filtered-title = No container fits
containers-filtered-lead = Nothing matches “{ $words }” in this state.
containers-empty-title = The dock is free
containers-empty-lead = A container runs one program from an image. Start from an image you have, or bring one.
containers-empty-new = From an image
containers-empty-images = Bring an image
containers-ports = Ports (host→container)
containers-none-chosen = No container was selected. Nothing was done.
containers-bulk-failed = { $name }: { $why }
containers-bulk-started =
    { $count ->
        [one] { $count } container was started.
       *[other] { $count } containers were started.
    }
containers-bulk-stopped =
    { $count ->
        [one] { $count } container was stopped.
       *[other] { $count } containers were stopped.
    }
containers-bulk-restarted =
    { $count ->
        [one] { $count } container was restarted.
       *[other] { $count } containers were restarted.
    }
containers-bulk-removed =
    { $count ->
        [one] { $count } container was removed.
       *[other] { $count } containers were removed.
    }
containers-ask-stop =
    { $count ->
        [one] Stop { $count } container
       *[other] Stop { $count } containers
    }
containers-ask-remove =
    { $count ->
        [one] Remove { $count } container
       *[other] Remove { $count } containers
    }

## One container

tab-overview = Overview
tab-logs = Logs
tab-stats = Stats
tab-changes = Changes
open-logs = Open logs
container-up = up { $duration }
container-ended = ended { $when }
container-made = made { $when }
container-stop-effect = It gets its stop signal, and is killed after 10 s if it goes on. Its files and its log are kept; it can be started again.
container-kill-effect = Its processes end at once, without a chance to save anything. Its files and its log are kept.
container-remove-effect = Files written inside and the log will be gone for good; if it runs, it is killed first. The image is kept.
container-layer-size = { $size } written inside
container-started = { $name } was started.
container-stopped = { $name } was stopped.
container-restarted = { $name } was restarted.
container-killed = { $name } was killed.
container-removed = { $name } was removed.
container-act-failed = { $name } stayed as it was. { $why }
container-oom-title = It ran out of memory.
container-oom-lead = The kernel ended it at its memory limit. Give it more, or look in the log for what grew.
container-not-started = It could not be started.
container-failed-title = It ended with exit code { $code }.
container-failed-lead = The last lines of its log often say why.
container-network = Network and ports
container-no-network = No network: only its own loopback.
when-running = given when it runs
container-how = How it runs
container-command = Command
container-user = User
container-folder = Working folder
container-hostname = Host name
container-limits = Limits
container-mapping = Users
container-mapped = mapped from { $base } on
container-host-ids = the host’s own ids
container-root = Root file system
container-auto-remove = Removed when it ends
container-events = What was done

## Logs

logs-follow = Follow
logs-pause = Pause
logs-search = Search these logs
logs-next = Next match
logs-stream = Stream
logs-both = out + err
logs-out-only = out only
logs-err-only = err only
logs-out = out
logs-err = err
logs-times = Times
logs-wrap = Wrap
logs-download = Download
logs-lines = Log lines, newest last
logs-none = Nothing was written yet.
logs-last = The last 500 lines.
logs-since = Since
logs-since-last = Last 500 lines
logs-since-15m = 15 min
logs-since-1h = 1 hour
logs-since-24h = 24 hours
logs-since-all = All, 5,000 lines at most
logs-new = 0 new lines
logs-skipped = 0 lines were skipped here: they came faster than this connection could carry.
logs-rotated = { $bytes } of older lines are no longer kept.
logs-following = Following
logs-paused = Paused
logs-ended = The container has ended; this is all.
logs-again = Connection lost, trying again…
logs-load = Load them
logs-rotated-live = Older lines are no longer kept.
logs-part = From { $from } to { $to }

## Changes, image of a container

changes-which = Which changes
changes-added = Added
changes-changed = Changed
changes-removed = Removed
changes-one-added = Added
changes-one-changed = Changed
changes-one-removed = Removed
changes-none = No change to show
changes-none-lead = The container’s files are as its image has them.
changes-path = Path
changes-how = Change
container-export = Export files
commit-ask = Save as image…
commit-title = Save as image
commit-lead = The image takes the container’s files as they are now, and its configuration from the container’s image.
commit-pause = Hold the container still meanwhile
commit-do = Save as image
commit-failed = No image was made.
commit-done = { $image } was made of { $name }.

## Stats

stats-not-running = It does not run
stats-not-running-lead = There are numbers only while it runs.
stats-now = now
stats-in = In
stats-out = Out
stats-write = Written
stats-read = Read
stats-limit = Limit
stats-ended = The container has ended.
stats-processes = Processes
stats-pids-of = { $count } of { $limit } allowed

## New container

launch-title = New container
launch-lead = One page. Only the image is required, the rest has working defaults.
launch-wrong =
    { $count ->
        [one] One field needs a change.
       *[other] { $count } fields need a change.
    }
launch-nothing-made = Nothing was created.
launch-image = Image and tag
launch-image-hint = As in name:tag, or an id.
launch-image-here = On this host, { $size }.
launch-image-away = Not on this host.
launch-image-pull = Pull { $image } first
launch-image-missing = Say which image to run.
launch-name-hint = Empty: two words are chosen for you.
launch-name-wrong = Letters, digits, dot, dash and underscore; at least two; not “new” or “bulk”.
launch-ports = Ports
launch-host-port = Host port
launch-container-port = Container port
launch-protocol = Protocol
launch-ports-hint = Leave the host port empty to get a free one, or write 8000-8010 to get one of these; 127.0.0.1:8081 or [::1]:8081 listens on this host only.
launch-port-wrong = A port is a number from 1 to 65535.
launch-add-port = Add a port
launch-remove-port = Remove port { $port }
launch-variables =
    { $count ->
        [one] { $count } variable
       *[other] { $count } variables
    }
launch-env-name = Name
launch-env-value = Value
launch-env-wrong = A variable has a name, without “=”.
launch-add-env = Add a variable
launch-remove-env = Remove { $name }
launch-limits = Limits
launch-limits-hint = Empty means no limit of its own.
launch-memory-unit = Memory unit
launch-memory-wrong = A whole number, at least 6 MiB.
launch-cpus = CPU cores
launch-cpus-wrong = A number like 0.5, at least 0.01.
launch-pids = Processes
launch-pids-wrong = A whole number, at least 1.
launch-network-bridge = bridge: an address of its own, a way out, published ports
launch-network-none = none: only its own loopback
launch-advanced = Advanced
launch-advanced-line = Command, user, folder, labels, terminal
launch-command = Command
launch-command-hint = Split as a shell does; nothing is expanded. Empty: the image’s own.
launch-entrypoint = Entry point
launch-folder = Working folder
launch-folder-wrong = A path that begins with /.
launch-quote-open = A quotation mark is not closed.
launch-add-label = Add a label
launch-read-only = Root file system is read only
launch-auto-remove = Remove it when it ends
launch-tty = Give it a terminal
launch-preview = Same thing as a command
launch-copy = Copy the command
launch-update = Update this preview
launch-create-start = Create and start
launch-create = Create only
launch-created = { $name } was created. It is not started.
launch-started = { $name } was created and started.
launch-not-started = { $name } was created, but not started. { $why }

## Images

images-lead =
    { $count ->
        [one] { $count } image, { $size }
       *[other] { $count } images, { $size }
    }
images-pull = Pull from a registry
images-pull-do = Pull
images-pull-hint = Without a host name it comes from Docker Hub, through the mirrors first.
images-pull-what = Say which image to pull. Nothing was done.
images-pull-all = All tags of the repository
images-load = Load from a file
images-load-file = Archive
images-load-do = Load
images-load-hint = As “docker save” writes it, or an OCI archive; plain, gzip or zstd.
images-load-what = Choose an archive to load. Nothing was done.
images-filter = Name or tag…
images-filtered-title = No image fits
images-empty-title = No image yet
images-empty-lead = An image holds a program and its files. Pull one from a registry or load one from a file.
images-use = Use
images-in-use = In use
images-not-used = Not used
images-no-tag = No tag
images-unique = Only its own
images-used-by = Used by
images-used-by-count = { $count } containers
images-remove-effect = The names below are taken away, and the image with the layers no other image has is gone for good.
images-remove-used = Containers use this image, so it can’t be removed now. Remove them first.
images-remove-user = uses it
images-remove-size = { $size }, of these { $unique } only its own
images-remove-button =
    { $count ->
        [one] Remove the image, free { $size }
       *[other] Remove { $count } names, free { $size }
    }
images-removed = { $name } was removed; { $size } are free again.
images-not-removed = { $name } was kept. { $why }
image-came = came here { $when }
image-layers = Layers, newest on top
image-config = Configuration
image-runs = Runs as
image-names = Names
image-push = Push to a registry
image-push-name = Under the name
image-push-do = Push
image-push-hint = The registry’s host comes first in the name. Credentials kept here are used:
image-volumes = Volumes
image-stop-signal = Stop signal
images-tagged = With a tag
images-filter-more = More filters
images-filter-reference = Name fits
images-filter-label = Has the labels
images-filter-before = Built before
images-filter-since = Built after
images-filter-digests = Show digests
images-filter-wrong = These filters can’t be used. { $why }
images-shared = Shared
images-save = Save
images-none-chosen = Choose images first. Nothing was done.
images-ask-remove =
    { $count ->
        [one] Remove { $count } name
       *[other] Remove { $count } names
    }
images-remove-several = The names below are taken away. An image goes with its last name, unless a container uses it; its own layers are gone for good.
images-remove-stopped = Stopped containers use this image. They can be started again as long as they are there; no new one can be made of it.
images-remove-force = Remove it although stopped containers use it
images-kept = Nothing was removed.
images-bulk-removed =
    { $count ->
        [one] { $count } name was removed; { $size } are free again.
       *[other] { $count } names were removed; { $size } are free again.
    }
images-prune-ask = Remove unused…
images-prune-question = Remove unused images?
images-prune-which = Which
images-prune-dangling = Without a tag
images-prune-all = All that no container uses
images-prune-age = Built
images-prune-any-age = at any time
images-prune-day = over a day ago
images-prune-week = over a week ago
images-prune-month = over 30 days ago
images-prune-label-not = Has none of the labels
images-prune-look = Show what would go
images-prune-none = Nothing would go
images-prune-effect = No container uses these images. They are gone for good, with the layers no other image has.
images-prune-button =
    { $count ->
        [one] Remove { $count } image, free { $size }
       *[other] Remove { $count } images, free { $size }
    }
images-pruned =
    { $count ->
        [one] { $count } image was removed; { $size } are free again.
       *[other] { $count } images were removed; { $size } are free again.
    }
images-search-title = Find an image
images-search-words = Words to look for
images-search-do = Find
images-search-none = No index of images can be reached.
images-search-why = Registries can be pulled from but not searched. Look in the registry’s own pages, then pull by name.
images-search-by-name = Pull by name
images-search-here = Here already
image-history = History
image-history-line =
    { $count ->
        [one] { $count } step, newest on top
       *[other] { $count } steps, newest on top
    }
image-history-by = Made by
image-history-empty = no layer
image-history-when = When
image-author = Author
image-tag = Another name
image-tag-ask = Add a name…
image-tag-do = Add
image-tagged = The image is now also called { $name }.
image-untag-one = Take off { $name }
image-untag-effect = The name is taken away. The image stays under its other names.
image-untagged = The name { $name } was taken off; the image is still here.
image-name = Name
image-message = Remark
image-changes = Changes of the configuration
image-changes-hint = Instructions of a Dockerfile, one a line: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR.
image-import-ask = Import files…
image-import-title = Import a file system
image-import-lead = A root file system becomes an image of one layer.
image-import-image = The image
image-import-source = Where the files are
image-import-address = Address
image-import-file = Or an archive from here
image-import-hint = A tar of the root folder; plain, gzip, zstd or xz. With a file the address is not used.
image-import-do = Import
image-import-what = Choose an archive, or give an address that begins with http:// or https://.
image-import-from = Imported from { $source }
image-import-failed = Nothing was imported.
image-imported = { $name } was imported.

## Operations

operations-lead = { $running } running, { $failed } failed
operations-show = Show
operations-all = All
operations-running = Running
operations-failed = Failed
operations-mine = Mine
operations-none = Nothing here. Pulls and loads are listed while they run and afterwards.
operations-what = What
operations-state = State
operations-by = By
operations-began = Began
operations-took = Took
operations-footer = Leaving this page stops nothing.
operations-running-word = running
operations-cancel-of = Cancel: { $title }
operations-cancel-asked = It is being cancelled.
operations-layers = Layers
operations-layer = Layer
operations-layer-of = Layer { $name }
operations-progress = Progress
operations-layers-of = { $done } of { $all } layers
operations-bytes-of = { $done } of { $all }
operations-beginning = Beginning
operations-pulled = The image is here, every digest checked.
operations-pushed = The image is at the registry, every digest confirmed.
operations-loaded = The archive’s images are here, every digest checked.
operations-interrupted = The server ended before this did. It can be begun again.
operations-cancelled = Cancelled. Nothing was changed.
operations-see-image = See the image
operation-kind-pull = Pulling { $thing }
operation-kind-push = Pushing { $thing }
operation-kind-load = Loading { $thing }
operation-state-running = Running
operation-state-done = Done
operation-state-failed = Failed
operation-state-cancelled = Cancelled
operation-state-interrupted = Interrupted
step-waiting = Waiting
step-exists = Here already
step-downloading = Fetching
step-downloaded = Fetched
step-extracting = Unpacking
step-complete = Done
step-preparing = Preparing
step-uploading = Sending
step-there = There already
step-mounted = Mounted from { $from }
step-uploaded = Sent

## Registries
registries-title = Registries
registries-lead = Names and passwords the pages use for pulling and pushing. They are stored encrypted; the docker command line brings its own.
registries-kept = Kept here
registries-none = Nothing is kept yet. Public images need no credentials.
registries-host = Registry
registries-user = User
registries-password = Password or token
registries-hint = The registry is asked first; what it refuses is not kept.
registries-by = Added by
registries-add = Add a registry
registries-add-do = Check and keep
registries-added = { $host } let us in; its credentials are kept.
registries-remove = Remove
registries-remove-of = Remove the credentials for { $host }
registries-removed = The credentials for { $host } are gone.

## Audit

audit-lead =
    { $count ->
        [one] { $count } entry
       *[other] { $count } entries
    }
audit-export = Export
audit-csv = CSV, these results
audit-jsonl = JSON lines, these results
audit-whole = The record is whole
audit-broken = The record was changed
audit-checked = { $count } entries, checked as they came: no gap, no change. Last checked from the first one: { $when }.
audit-broken-entry = Entry { $seq } does not follow the one before it. Entries up to there are sound.
audit-broken-outcome = The outcome of entry { $seq } does not follow the one before it. Outcomes up to there are sound.
audit-again = Check again
audit-head = Head of chain
audit-words = Actor, action, thing…
audit-who = Who
audit-anyone = Anyone
audit-action = Action
audit-any-action = Any action
audit-object = What
audit-outcome = Outcome
audit-any-outcome = Any outcome
audit-from-day = From
audit-to-day = to
audit-address = From
audit-entries = Entries
audit-none = No entry fits
audit-older = Older
audit-details-of = Details of { $action } at { $time }
audit-this-host = this host
audit-why = Why
audit-detail = More
audit-hash = Chain value

## Account

account-title = Your account
account-administrator = administrator
account-look = How pages look
account-theme = Theme
account-theme-system = As the system
account-theme-light = Light
account-theme-dark = Dark
account-language = Language
account-language-browser = As the browser
account-density = Rows
account-dense = Dense
account-roomy = Roomy
account-keys = Single keys act, as the ? list says
account-save = Save
account-saved = Saved.
account-password = Password
account-present = Present password
account-present-wrong = This is not your present password.
account-new = New password
account-password-hint = All your other sessions end.
account-change-password = Change the password
account-password-changed = The password was changed. All other sessions have ended.
account-sessions = Where you are signed in
account-sessions-hint = A session ends after 30 minutes without use and after 12 hours.
account-browser = Browser
account-began = Began
account-seen = Last used
account-this = this one
account-end = End
account-end-of = End the session in { $browser }
account-session-ended = The session has ended.
account-tokens = API tokens
account-tokens-hint = For programs that sign in as you: docker login, builds, scripts.
account-tokens-none = No token yet.
account-token-name = What it is for
account-token-right = May
account-token-view = see and pull
account-token-operate = see, run and push
account-token-days = Ends after
account-token-days-some = { $count } days
account-token-never = never
account-token-ends = Ends
account-token-used = Last used
account-token-made = Made
account-token-create = Make a token
account-token-revoke = Revoke
account-token-revoke-of = Revoke { $name }
account-token-revoked = The token was revoked. What used it can’t sign in any more.
account-token-fresh = This is the only time the token is shown. Copy it now.

## The served registry

registry-lead =
    { $count ->
        [one] { $count } repository, { $size }
       *[other] { $count } repositories, { $size }
    }
registry-lead-one =
    { $count ->
        [one] { $count } tag, { $size }
       *[other] { $count } tags, { $size }
    }
registry-tag-count = { $count }
registry-repository = Repository
registry-tags = Tags
registry-tag = Tag
registry-kind = Kind
registry-digest = Digest
registry-by = Pushed by
registry-pushed = Pushed
registry-pull = Pull
registry-empty-title = Nothing was pushed yet
registry-empty-lead = This server is a registry too: push an image with docker, skopeo or podman and it is here, ready to run.
registry-how = Sign in and push
registry-how-hint = The password is yours, or better an API token of your account:
registry-offered = Image here, never pushed
registry-kept = Kept as it came
registry-index = { $count } platforms or parts
registry-no-tags = No tags.
registry-copy-digest = Copy the digest of { $tag }
registry-untagged = Without a tag
registry-untagged-hint = Still pulled by digest.
registry-remove-effect = Nobody can pull it from here any more, and layers nothing else needs are gone for good. Containers go on running.
registry-removed = { $name } was removed from the registry.

## Signing in

session-title = Sign in
session-user = User name
session-password = Password
session-begin = Sign in
session-wrong = User name or password is wrong.
session-wait = Too many attempts. Wait { $seconds } s, then try again.
password-hint = At least 10 characters; no rule about signs or capitals. Common passwords are refused.
weakness-short = At least 10 characters are needed.
weakness-long = At most 256 characters.
weakness-user-name = The password must not be the user name.
weakness-common = This password is among the first that are tried. Choose another.
set-up-title = First administrator
set-up-lead = This person can do everything on { $host }.
set-up-word = Set-up word
set-up-word-hint = Darsena printed it when it started, as “Set-up word: …”. It proves that this is your host.
set-up-word-wrong = This is not the word that was printed last.
set-up-name-hint = 2 to 32 letters, digits, dots, dashes or underscores; begins with a letter.
set-up-name-wrong = This can’t be a user name.
set-up-do = Create and sign in

## What went wrong

error-request = request
error-home = To the overview
error-all-containers = All containers
error-all-images = All images
error-all-operations = All operations
error-page-title = There is no such page
error-page-lead = The address may be mistyped, or the thing may be gone.
error-missing-title = This is not here
error-missing-lead = It may have been removed or renamed since the page before was drawn.
error-conflict-title = Its present state does not allow this
error-conflict-lead = Nothing was changed.
error-invalid-title = This request can’t be understood
error-invalid-lead = Nothing was changed.
error-forbidden-title = You may not do this
error-forbidden-lead = An administrator can grant the right. The attempt is on record.
error-stale-title = This form is no longer valid
error-stale-lead = It was drawn for another session. Nothing was changed. Open the page again and repeat what you did.
error-foreign-title = This form came from another site
error-foreign-lead = Nothing was changed. If you did not begin this, close the page that sent you here.
error-unsupported-title = This host can’t do this
error-unsupported-lead = Nothing was changed.
error-upstream-title = The registry did not answer as it should
error-upstream-lead = Nothing was changed. Trying again may help.
error-unavailable-title = Not possible just now
error-unavailable-lead = Nothing was changed. Trying again in a moment may help.
error-internal-title = This failed inside Darsena
error-internal-lead = What was asked for may be done in part; look at the page of the thing. The server’s log has the cause under the request number below.

## Builds

nav-builds = Builds
builds-new = New build
builds-filter = Name, person or source…
builds-empty-title = Nothing was built yet
builds-empty-lead = A build makes an image from a Dockerfile and its files, step by step.
builds-filtered-title = No build fits
builds-step = Step
builds-steps = Steps
builds-step-of = Step { $done } of { $all }
builds-steps-done = { $done } of { $all } steps done
builds-cached =
    { $count ->
        [one] { $count } step from cache
       *[other] { $count } steps from cache
    }
builds-like = New build like this
builds-remove-ask = Remove record…
builds-remove-one = Remove the record of { $name }
builds-remove-effect = The record, its log and the uploaded files are gone for good. The image it made stays.
builds-remove-button = Remove the record
builds-remove-running = This build still runs. Cancel it first.
builds-removed = The record was removed.
builds-none-chosen = Choose records first. Nothing was done.
builds-ask-remove =
    { $count ->
        [one] Remove { $count } record
       *[other] Remove { $count } records
    }
builds-bulk-removed =
    { $count ->
        [one] { $count } record was removed.
       *[other] { $count } records were removed.
    }
builds-not-removed = The record of { $name } was kept. { $why }
build-from-cache = From cache
build-from-upload = from the upload { $file }
build-from-remote = from { $address }
build-from-dockerfile = from a pasted Dockerfile
build-from-client = from a docker client
build-step-waiting = Waiting
build-seconds = { $seconds } s
build-cached = cached
build-log-full = The log is full. Further output was left out; the steps go on.
build-log-ended = The build has ended
build-log-none = No output yet.
build-output = Output
build-output-of = Output of step { $step }
build-output-all = All steps
build-cancel = Cancel the build
build-again = Build again
build-again-secrets = Build again, with its secrets…
build-line = Line { $line }
build-stage = Stage { $name }
build-number = No.
build-instruction = Instruction
build-adds = Adds
build-asked = What was asked
build-names = Names
build-names-hint = One or more, with blanks between them. Without a name the image has only its id.
build-dockerfile = Dockerfile
build-dockerfile-path = Path of the Dockerfile
build-dockerfile-missing = Paste a Dockerfile.
build-target = Stage to stop at
build-args = Build arguments
build-args-line = arguments, labels, stage
build-args-hint = Values of names with PASS, TOKEN, SECRET or KEY are not kept.
build-add-arg = Add an argument
build-arg-empty = { $name } has no value. It was not kept: give it again.
build-number-wrong = This is not a number above 0.
build-secrets = Secrets
build-secrets-line = for RUN --mount=type=secret
build-secrets-hint = They reach the steps that ask for them, and are kept nowhere: not in the image, the cache, the log or the record.
build-secret-id = Id
build-secret-value = Value
build-secret-half = A secret needs an id and a value.
build-platform = Platform
build-run = How it runs
build-run-line = cache, network, limits
build-no-cache = Do every step again
build-pull = Ask for newer base images
build-no-network = No network for RUN steps
build-new-lead = It goes on when you leave.
build-ways = Where the files come from
build-way-paste = Paste a Dockerfile
build-way-upload = Upload a folder
build-way-address = From an address
build-paste-hint = There are no other files: COPY finds nothing, RUN and FROM do.
build-upload-hint = The archive of a folder with a Dockerfile in it. A .dockerignore in it is followed.
build-archive = Archive of the folder
build-archive-hint = tar; plain, gzip, bzip2, xz or zstd. Kept for a week, so that it can be built again.
build-archive-kept = Without another file, the files of the earlier build are taken.
build-file-missing = Choose an archive.
build-address = Address
build-address-hint = A git repository with an optional #branch:folder, a tar archive, or a Dockerfile.
build-address-wrong = An address begins with https:// or git@.
build-check = Check
build-check-good = Nothing to find fault with.
build-do = Build
cache-title = Build cache
cache-lead =
    { $count ->
        [one] { $count } record, { $size }
       *[other] { $count } records, { $size }
    }
cache-empty-title = Nothing is kept
cache-empty-lead = Results of steps are kept here, so that the next build need not do them again.
cache-what = What
cache-used = Last of use
cache-uses = Times
cache-mount = Cache mount
cache-more =
    { $count ->
        [one] and { $count } more
       *[other] and { $count } more
    }
cache-prune-old = Not used for a week…
cache-prune-unused = Not needed…
cache-prune-all = Everything…
cache-prune-question = Remove this from the build cache?
cache-prune-effect = Later builds do these steps again. Images and containers keep all they need.
cache-prune-button =
    { $count ->
        [one] Remove { $count } record, { $size }
       *[other] Remove { $count } records, { $size }
    }
cache-pruned =
    { $count ->
        [one] { $count } record was removed, { $size } are free again.
       *[other] { $count } records were removed, { $size } are free again.
    }
operations-built = The image is here.
operation-kind-build = Building { $thing }
error-all-builds = All builds
images-build = Build
image-built-by = How it was built

## Teams and people

nav-manage = Manage
nav-teams = Teams
nav-teams-users = Teams and users
role = Role
people = People
team = Team
teams-lead = { $teams }, { $people }
teams-lead-own = The teams you are in
team-count =
    { $count ->
        [one] { $count } team
       *[other] { $count } teams
    }
team-people =
    { $count ->
        [one] { $count } person
       *[other] { $count } people
    }
team-repositories =
    { $count ->
        [0] no repositories
        [one] { $count } repository
       *[other] { $count } repositories
    }
teams-none = No teams yet. A team owns the repositories whose names begin with its own: shop owns shop/api.
teams-none-own = You are in no team yet. An administrator, or who leads a team, puts you into one.
team-new = New team
team-create = Make the team
team-created = The team { $name } is there.
team-name-hint = Lower case, as repositories are written: the team shop owns shop/api.
team-viewer = viewer
team-operator = operator
team-lead = lead
team-roles-hint = A viewer pulls. An operator also pushes and removes. A lead also says who is in the team.
team-role-of = Role of { $name }
team-put-in = Put into the team
team-take-out = Take out
team-take-out-of = Take { $name } out of the team
team-empty = Nobody is in this team yet.
team-owns = Repositories
team-owns-none = Nothing was pushed to { $team }/… yet.
team-place = { $team } ({ $role })
team-member-set = { $user } is { $role } here now.
team-member-removed = { $user } is no longer in { $team }.
team-removed = The team { $name } was removed.
team-remove-effect = Its people keep their accounts. Its repositories stay, but only administrators reach them.
people-all-teams = all teams
person-new = New person
person-first-password = First password
person-create = Make the account
person-created = { $name } can sign in now.
person-about = Account
person-made = Made
person-password-age = set { $when }
person-audit = What this person did
person-own = This is your own account: password and sessions are on its page.
person-new-password = New password
person-password-do = Set the password
person-password-hint = All sessions of this person end.
person-password-set = { $name } has a new password; all their sessions have ended.
person-is-suspended = suspended
person-promote = Make administrator
person-demote = Make member
person-suspend = Suspend
person-resume = Let in again
person-promote-ask = Make { $name } an administrator
person-demote-ask = Make { $name } a member
person-suspend-ask = Suspend { $name }
person-resume-ask = Let { $name } in again
person-promote-effect = An administrator may do everything on this host. All sessions of this person end; signing in again gives the new role.
person-demote-effect = A member has only what their teams have. All sessions of this person end.
person-suspend-effect = All sessions end, and tokens stop working, until the person is let in again. Nothing else changes.
person-resume-effect = The person can sign in, and their tokens work again.
person-remove-effect = The account goes for good, with its tokens and its places in teams. What this person did stays in the audit record.
person-promoted = { $name } is an administrator now.
person-demoted = { $name } is a member now.
person-suspended = { $name } is suspended.
person-resumed = { $name } can sign in again.
person-removed = The account of { $name } was removed.
account-member = member
session-suspended = This account is suspended. Ask an administrator.

## What a container used

usage-range = Range
usage-live = Live
usage-hours = { $count } h
usage-days = { $count } days
usage-when = Time
usage-mean = mean
usage-most = highest
usage-label = { $what } over time, at most { $most }
usage-none = Nothing is recorded for this time
usage-none-lead = What a container uses is recorded every ten seconds while it runs, kept for a day, and as means of five minutes for thirty days.

## Inspect

tab-inspect = Inspect
inspect-search = Names and values
inspect-none = Nothing here has these words.

## The life of a container
state-paused = Paused
state-restarting = Restarting
pause = Pause
unpause = Resume
rename = Rename
rename-ask = Rename…
rename-new = New name
tab-settings = Settings
container-paused = { $name } is paused
container-unpaused = { $name } goes on
container-renamed = { $name } is called { $new } now
containers-bulk-paused =
    { $count ->
        [one] One container is paused
       *[other] { $count } containers are paused
    }
containers-bulk-unpaused =
    { $count ->
        [one] One container goes on
       *[other] { $count } containers go on
    }
containers-prune = Remove unused…
containers-prune-question = Remove containers that don't run?
containers-prune-age = Created
containers-pruned =
    { $count ->
        [one] One container removed, { $size } freed
       *[other] { $count } containers removed, { $size } freed
    }
restart-policy = Restart policy
restart-no = Never
restart-on-failure = After a failure
restart-always = Always
restart-unless-stopped = Unless stopped by hand
restart-retries = Attempts after failures
restart-retries-hint = Only counts after a failure. Empty means without end.
restart-wrong = Choose a policy, and a whole number of attempts.
restart-and-remove = A container that is removed when it ends can't be restarted.
settings-title = Restart and limits
settings-lead = Changes count at once, also while the container runs.
settings-memory = Memory in MiB
settings-reservation = Memory reservation in MiB
settings-shares = CPU weight
settings-cpuset = CPUs it may run on
settings-io-weight = Disk weight, 10 to 1000
settings-used = { $amount } in use
settings-save = Save
settings-saved = The settings of { $name } are changed
settings-same = Nothing was changed
settings-failed = Nothing was changed.
settings-wrong = Check the field “{ $field }”.
settings-past = Past runs
settings-past-none = No run has ended yet.
settings-past-when = Ended
settings-past-code = Code
settings-past-ran = Ran for
settings-restarts =
    { $count ->
        [0] not restarted
        [one] restarted once
       *[other] restarted { $count } times
    }

## Health checks

health = Health
health-starting = Starting
health-healthy = Healthy
health-unhealthy = Unhealthy
health-trouble = Unhealthy: the last { $count } probes failed.
health-every = every { $time }
health-none-yet = No probe has ended yet.
health-result = Result
health-took = Took
health-output = Output
health-ms = { $ms } ms
health-good = passed
health-late = took too long
health-bad = failed, code { $code }

## Terminal

tab-terminal = Terminal
terminal-of = Terminals of { $name }
terminal-not-running = This container is not running
terminal-not-running-lead = Start it to open a terminal in it.
terminal-shell = Shell
terminal-auto = Best shell there is
terminal-user = User
terminal-open = Open
terminal-open-ones = Open terminals
terminal-stay = They end ten minutes after nobody looks at them.
terminal-end = End
terminal-none = No terminal is open. Choose a shell and open one.
terminal-no-script = The terminal needs JavaScript. From a command line:
terminal-ended = The shell ended with code #. A key closes this terminal.
terminal-lost = The connection was lost; trying again.
terminal-full = Eight terminals are open here: end one first.
terminal-connected = Connected. Leaving the page does not end the shell.
terminal-label = Terminal
## What a container is opened to

opened-title = Opened to the host or to another container:
opened-privileged = privileged
opened-host-users = the host's users
opened-devices = devices
opened-host-processes = the host's processes
opened-shared-processes = another container's processes
opened-host-ipc = the host's IPC
opened-shared-ipc = another container's IPC
opened-host-name = the host's name
opened-host-cgroups = the host's control groups
opened-no-seccomp = no system call filter
opened-own-seccomp = a system call filter of its own
opened-system-paths = system paths not hidden as usual
# Volumes and their files
nav-volumes = Volumes
volumes-lead =
    { $count ->
        [one] { $count } volume, { $size }
       *[other] { $count } volumes, { $size }
    }
volumes-new = New volume
volumes-make = Create
volumes-name-hint = Letters, digits, dot, dash and underscore. Without a name one is chosen.
volumes-more = Labels and driver options
volumes-type = Type
volumes-device = Device
volumes-options = Options
volumes-options-hint = As for mount(8): tmpfs for memory, none with the option bind for a folder of this host, nfs for a server. Anything but memory takes an administrator.
volumes-filter = Filter volumes
volumes-all = All
volumes-used = In use
volumes-unused = Not in use
volumes-anonymous = anonymous
volumes-empty-title = No volumes yet
volumes-empty-lead = A volume keeps files beyond the life of a container, and several containers can share it. Create one here, or name one when you create a container.
volumes-filtered-title = No volume matches
volumes-remove-some =
    { $count ->
        [one] Remove { $count } volume
       *[other] Remove { $count } volumes
    }
volumes-none-chosen = Choose at least one volume first.
volumes-removed =
    { $count ->
        [one] { $count } volume was removed.
       *[other] { $count } volumes were removed.
    }
volumes-prune-question = Remove volumes that no container uses?
volumes-prune-anonymous = Anonymous ones
volumes-prune-all = All
volumes-prune-none = There is no such volume
volumes-prune-button =
    { $count ->
        [one] Remove { $count } volume, { $size }
       *[other] Remove { $count } volumes, { $size }
    }
volumes-pruned =
    { $count ->
        [one] { $count } volume was removed; { $size } are free again.
       *[other] { $count } volumes were removed; { $size } are free again.
    }
volume-made = The volume { $name } was created.
volume-there = There is a volume called { $name } already.
volume-since = created { $when }
volume-removed = The volume { $name } was removed.
volume-remove-effect = All files in it go for good.
volume-in-use = It is used by { $names }: remove these first.
volume-browse = Files
volume-browse-one = Files of { $name }
volume-not-used = No container mounts it.
volume-stopped = Stopped
volume-what = About this volume
volume-place = On the host
files-title = Files
files-empty = Nothing is in here.
files-owner = Owner
files-mode = Mode
files-changed = Changed
files-special = no file
files-more = { $count } more are not shown.
files-tar = Download as tar
files-download = Download
files-rename-ask = Rename…
files-rename-one = Rename { $name }
files-rename-to = New name
files-rename-do = Rename
files-renamed = { $old } is { $new } now.
files-upload = Upload
files-upload-which = Files
files-upload-do = Upload
files-upload-what = Choose a file first.
files-uploaded = { $name } was uploaded.
files-replace = Replace what is there
files-new = New
files-folder = Folder
files-folder-do = Create
files-folder-made = The folder { $name } was created.
files-text = Text file
files-text-do = Write
files-name-wrong = A name has no / and is not . or ..
files-remove-effect = It goes for good; a folder with all in it.
files-removed = { $name } was removed.
files-saved = { $name } was saved.
files-content = Content
files-save = Save
files-conflict = Below is what stands there now, and your text. Saving again replaces what stands there.
files-theirs = What stands there now
files-no-text = This file can't be edited here
files-no-text-lead = It is longer than 64 KiB, or no text.
launch-mount-source = Volume or host folder
launch-mount-target = Where inside
launch-mount-mode = Access
launch-mounts-hint = A name makes or takes a volume, a path that begins with / is a folder of this host, nothing is a new volume of the container's own.
launch-add-mount = Add volume
launch-mount-target-wrong = The place inside begins with / and is not / itself.
launch-mount-source-wrong = A volume's name has two or more letters, digits, dots, dashes and underscores.
container-mounts = Mounts
container-mounts-none = Nothing is mounted: what it writes goes with it.
container-remove-volumes =
    { $count ->
        [one] Remove its own volume too
       *[other] Remove its { $count } own volumes too
    }
container-remove-volumes-hint = Volumes with a name of their own stay.
mount-target = Where inside
mount-source = What
mount-kind = Kind
mount-bind = host folder
mount-volume = volume
mount-anonymous = own volume
mount-tmpfs = memory
mount-container = Container

## Networks

nav-networks = Networks
networks-lead =
    { $networks ->
        [one] { $networks } network
       *[other] { $networks } networks
    }, { $containers ->
        [one] { $containers } container attached
       *[other] { $containers } containers attached
    }
networks-picture = Who reaches whom
networks-picture-lead = Containers on the same line reach each other.
networks-picture-label = Picture of the networks, scrolls sideways
networks-picture-about = Each line is a network, each box a container. A ring where a container meets a line means it is in that network; one that does not run has no line. The table below says the same in words.
networks-ports = Published ports
networks-left-out = { $count } more containers are only in the table.
networks-range = Range
networks-attached = Containers
networks-attached-count =
    { $count ->
        [one] { $count } container
       *[other] { $count } containers
    }
networks-reach = Reaches outside
networks-reach-out = yes
networks-reach-inside = no, inside only
networks-reach-host = is the host's own
networks-reach-none = no, loopback only
networks-new = New network
networks-create = Make the network
networks-name-hint = Containers in it find each other by name.
networks-range-hint = Chosen for you when empty.
networks-handed-out = Handed out
networks-internal = Inside only: no way out, no published ports
networks-apart = Keep its containers from each other
networks-prune-ask = Remove unused…
networks-prune-none = Every network is used by some container.
networks-prune-effect = No container uses these networks. They are removed for good.
networks-prune-button =
    { $count ->
        [one] Remove { $count } network
       *[other] Remove { $count } networks
    }
networks-pruned =
    { $count ->
        [one] { $count } network was removed.
       *[other] { $count } networks were removed.
    }
network-created = The network { $name } was made.
network-removed = The network { $name } was removed.
network-remove-effect = Containers made to be in it can't be started until a network of this name is made again.
network-remove-in-use = Containers are in it. It can be removed when they have left it.
network-connected = { $container } is in { $network } now.
network-disconnected = { $container } has left { $network }.
networks-driver = Driver
networks-bridge = Bridge
networks-id = Id
networks-about = About
networks-by-name = They find each other by these names.
networks-nobody = No running container is in it.
networks-mac = Hardware address
networks-names = More names
networks-take-out = Take out
networks-take-out-one = Take { $name } out of the network
networks-put-in = Put a container in
networks-put-in-do = Put in
networks-no-others = There is no other container that could be in it.
networks-container = Container
networks-ip-hint = Chosen for it when empty. Only where the network's range was chosen by a person.
networks-ip-wrong = That is not an IPv4 address.
networks-names-hint = Others in this network may use these too.
launch-network-host = host: the host's own network, without rights over it

# Log drivers
logs-not-kept = This container keeps no log: its log driver is none.

# Containers: the whole form, editing, ways back
launch-usual = As usual
launch-life = Restart and stop
launch-publish-all = Publish every exposed port on a free host port
launch-more-limits = More limits
launch-reservation = Memory reservation
launch-swap = Memory and swap together
launch-swap-hint = At least the memory limit; -1 is no limit of swap. Empty: twice the memory limit.
launch-swap-wrong = It needs a memory limit, and is not less than it.
launch-reservation-wrong = It can’t be more than the memory limit.
launch-size-hint = As in 64m or 1.5g.
launch-size-wrong = A size is a number with a unit, as in 64m; memory is at least 6m.
launch-shm = Size of /dev/shm
launch-shm-hint = Empty: 64m.
launch-shares-wrong = A whole number from 2 to 262144.
launch-cpuset-hint = As in 0-2,4.
launch-cpuset-wrong = Numbers and ranges, as in 0-2,4.
launch-io-weight-wrong = A whole number from 10 to 1000.
launch-oom-score = OOM score, -1000 to 1000
launch-oom-score-wrong = A whole number from -1000 to 1000.
launch-ulimits = Process limits (ulimit)
launch-ulimits-hint = One a line: nofile=1024:2048, core=-1.
launch-ulimits-wrong = “{ $line }” is no limit. Write name=soft:hard; -1 is unlimited.
launch-health = Health check
launch-health-kind = Kind of check
launch-health-image = As the image says
launch-health-shell = A command for the shell
launch-health-exec = A program with arguments
launch-health-none = None
launch-health-command = Check command
launch-health-command-hint = Code 0 is healthy, any other is not.
launch-health-command-wrong = Say which command tells whether it is well.
launch-health-interval = Interval
launch-health-timeout = Time limit of a probe
launch-health-retries = Failures until unhealthy
launch-health-start-period = Start period
launch-health-start-interval = Interval during the start period
launch-time-hint = As in 30s, 1m30s or 500ms.
launch-time-wrong = A time is written as 30s, 1m30s or 500ms.
launch-count-wrong = A whole number.
launch-names = Names
launch-domainname = NIS domain name
launch-hostname-wrong = A host name has 1 to 63 characters.
launch-dns = Name servers
launch-dns-hint = Addresses with blanks between. Empty: the host’s.
launch-dns-wrong = A name server is an IP address.
launch-dns-search = Search domains
launch-dns-options = Resolver options
launch-hosts = More hosts
launch-hosts-hint = One a line, name:address; host-gateway is this host.
launch-hosts-wrong = “{ $line }” is not name:address.
launch-mac-wrong = As in 02:42:ac:11:00:02.
launch-network-alone = Addresses, names and further networks need a network of its own.
launch-also = Also in
launch-isolation = Isolation
launch-init = An init as process 1 reaps and passes signals on
launch-no-new-privileges = No new privileges
launch-cap-add = Capabilities added
launch-cap-drop = Capabilities dropped
launch-cap-hint = Names with blanks between, or ALL.
launch-cap-wrong = Names like NET_ADMIN, with blanks between.
launch-ipc = IPC
launch-ipc-hint = Empty is its own; none is without /dev/shm; shareable lets others join it; host and container:name are for administrators.
launch-ipc-wrong = Nothing, none, shareable, host or container:name.
launch-sysctls = Kernel parameters (sysctl)
launch-sysctls-hint = One a line: net.ipv4.ip_forward=1.
launch-sysctls-wrong = “{ $line }” is not name=value.
launch-opening = Open to the host
launch-opening-hint = Each of these lets the container reach further into this host. Only administrators may choose them; it is recorded.
launch-opening-not-yours = The container this form was filled from is open to the host or to another container. Only an administrator can make one like it.
launch-privileged = Privileged: all capabilities, all devices, no filter
launch-host-users = The host’s users (userns=host)
launch-host-uts = The host’s name (uts=host)
launch-host-cgroups = The host’s control groups (cgroupns=host)
launch-unconfined = No system call filter (seccomp=unconfined)
launch-pid = Processes it sees (pid)
launch-pid-hint = Empty is its own; host, or container:name.
launch-pid-wrong = Nothing, host or container:name.
launch-devices = Devices
launch-devices-hint = One a line: /dev/fuse, /dev/sda:/dev/xvda:r.
launch-devices-wrong = “{ $line }” is no device. Write /dev/host:/dev/inside:rwm.
launch-device-rules = Device rules
launch-device-rules-hint = One a line: c 189:* rwm.
launch-device-rules-wrong = “{ $line }” is no rule. Write c 189:* rwm.
launch-log = Log
launch-log-driver = Log driver
launch-log-json-file = json-file: kept here, the default
launch-log-local = local: kept here, rotated
launch-log-none = none: not kept
launch-log-options = Log options
launch-log-options-hint = One a line: max-size=10m, max-file=3, tag=web.
launch-log-options-wrong = “{ $line }” is not name=value.
launch-stop-signal = Stop signal
launch-stop-signal-hint = As in SIGINT. Empty: the image’s, or SIGTERM.
launch-stop-signal-wrong = A signal’s name or number.
launch-stop-timeout = Time to stop
launch-stop-timeout-hint = Then it is killed. Whole seconds; empty: 10s.
launch-stop-timeout-wrong = Whole seconds, as in 30s.
launch-tmpfs = Folders in memory (tmpfs)
launch-tmpfs-hint = One a line: /run, or /tmp:size=64m.
launch-tmpfs-wrong = “{ $line }” does not begin with a folder’s path.
launch-mount-kept = Taken over as it is:
launch-groups = More groups
launch-stdin = Keep standard input open
launch-base-gone = The container this form was filled from is gone, and with it what no field says. Begin a new form.
launch-unsaid-links = The client can’t say links in further networks; they are left out of this line.
launch-unsaid-seccomp = PROFILE.json stands for this container’s own filter.
launch-unsaid-paths = The client can’t say which system paths are hidden; that is left out of this line.
launch-unsaid-health = The client gives a check to a shell; this container’s program is run without one.
edit-title = Edit { $name }
edit-lead = It is made anew with the same volumes and name; you see what changes before anything is done.
edit-review = Review changes
edit-changes = What changes
edit-no-changes = Nothing changes.
edit-comes = Comes:
edit-goes = Goes:
launch-said =
    { $count ->
        [one] { $count } set
       *[other] { $count } set
    }
edit-ask = Edit…
edit-question = Make { $name } anew?
edit-do = Make it anew
edit-back = Back to the form
edit-effect-runs = It is stopped and the new one started in its place, with the same volumes. Files written elsewhere inside it stay with the version before, which is kept to go back to. If the new one can’t be made or started, the one before runs again.
edit-effect = The new one takes its place with the same volumes and is not started. Files written elsewhere inside it stay with the version before, which is kept to go back to.
edit-changed-meanwhile = It was made anew or removed meanwhile. Begin again from its page.
edit-done = { $name } was made anew. The version before is kept.
edit-went-back = { $name } is as it was. The version you left is kept.
edit-forgotten = A previous version of { $name } was removed.
edit-forget-one = Forget the previous version of { $name }
edit-forget-effect = It is removed with the files written inside it; volumes stay. There is no way back to it then.
edit-versions = Previous versions
edit-versions-hint = Going back stops what runs, puts this version in its place with the same name, and keeps the other.
edit-version-runs = runs; stop it to go back
edit-go-back = Go back
edit-go-back-to = Go back to { $name }
edit-forget = Forget it
edit-forget-version = Forget { $name }
edit-is-version = A previous version of
edit-goes-with-its-end = It is removed when it ends, so there would be no way back. Duplicate it instead.
edit-is-replaced = It is a previous version of { $name }. Go back to it on that page first.
edit-as-it-was = The container is as it was.
# IPv6, macvlan
networks-ipv6 = Addresses of IPv6 too
networks-range6 = Range of IPv6
networks-range6-hint = Chosen for you when empty.
networks-gateway6 = Gateway of IPv6
networks-handed-out6 = Handed out of IPv6
networks-ip6 = Address of IPv6
networks-ip6-wrong = That is not an IPv6 address.
networks-parent = Interface of the host
networks-mode = Mode of macvlan
networks-driver-bridge = bridge: behind this host
networks-driver-macvlan = macvlan: on the LAN of an interface
networks-driver-hint = With macvlan, containers are on the host's LAN with all their ports, past its firewall.
networks-reach-lan = yes, on the LAN itself
launch-ip6 = IPv6 address
launch-ip6-hint = Chosen for it when empty, where the network has IPv6.
launch-ip6-wrong = That is not an IPv6 address.
