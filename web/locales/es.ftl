# Español. De usted, sin exclamaciones; las mismas claves que en.ftl.

## The frame

skip = Ir al contenido
nav-main = Principal
nav-overview = Resumen
nav-run = Ejecutar
nav-containers = Contenedores
nav-store = Almacén
nav-images = Imágenes
nav-registry = Registro de imágenes
nav-keep = Custodia
nav-audit = Auditoría
nav-host = Anfitrión
nav-up = activo { $duration }
nav-menu = Menú
nav-operations = Operaciones
nav-account-of = { $name }, su cuenta
nav-sign-out = Salir
tray-all = Todas las operaciones
crumb = Ruta
live-rows = Las filas se actualizan con los cambios.
live-lost = Sin actualización en este momento. Recargue la página.
copied = Copiado
close = Cerrar
keys-title = Teclas
keys-search = Buscar, ir a una página
keys-filter = Filtrar esta lista, buscar en este registro
keys-go = Ir a resumen, contenedores, imágenes, compilaciones, auditoría, equipos
keys-rows = Fila siguiente, fila anterior; también las flechas
keys-open = Abrir la fila
keys-select = Elegir la fila; todas las filas desde la última elegida hasta aquí
keys-act = Registros de la fila; detener o iniciar; reiniciar
keys-menu = El menú de la fila
keys-logs = En registros: seguir o pausar, coincidencia siguiente (Mayús: la anterior), horas, ajuste de línea
keys-close = Cerrar lo que está encima
keys-off = Las teclas sueltas se pueden desactivar:
hint-move = mover
hint-select = elegir
hint-logs = registros
hint-all = todas las teclas
hint-follow = seguir
hint-search = buscar
hint-next = siguiente
hint-times = horas
hint-wrap = ajuste
copy = Copiar
copy-id = Copiar el id completo
apply = Aplicar
reload = Recargar
filter-clear = Quitar el filtro
question = ¿{ $title }?
keep-as-is = Dejar como está
cancel = Cancelar
none = ninguno
yes = sí
no = no
name = Nombre
image = Imagen
size = Tamaño
id = Id
since = Desde
time = Hora
cpu = CPU
memory = Memoria
network = Red
disk = Disco
address = Dirección
gateway = Puerta de enlace
environment = Entorno
labels = Etiquetas
of = de { $limit }
of-cores =
    { $cores ->
        [one] de { $cores } núcleo
       *[other] de { $cores } núcleos
    }
and-out = entrada · { $rate } salida
and-read = escritura · { $rate } lectura
limit-cores =
    { $cores ->
        [one] { $cores } núcleo
       *[other] { $cores } núcleos
    }
limit-pids =
    { $count ->
        [one] { $count } proceso
       *[other] { $count } procesos
    }
chart-label = { $what }, últimos 15 minutos, ahora { $now }
time-now = ahora
time-ago = hace { $duration }
start = Iniciar
stop = Parar
stop-ask = Parar…
restart = Reiniciar
kill-ask = Matar…
remove-ask = Eliminar…
duplicate-ask = Duplicar…
start-one = Iniciar { $name }
stop-one = Parar { $name }
kill-one = Matar { $name }
remove-one = Eliminar { $name }
stop-and-remove-one = Parar y eliminar { $name }
logs-of = Registros de { $name }
more-for = Más para { $name }
new-from = Nuevo contenedor de { $name }
select-all = Seleccionar todo en esta página
select-one = Seleccionar { $name }
bulk-chosen = Seleccionados
show-next = Mostrar { $count } más
read-only = solo lectura
read-write = se puede escribir

## States

state-label = Estado
state-any = Cualquier estado
state-created = Creado
state-running = En marcha
state-ended = Terminado
state-exited = Terminado ({ $code })
state-removing = Eliminándose
state-out-of-memory = sin memoria
outcome-done = Hecho
outcome-refused = Rechazado
outcome-failed = Fallido
outcome-cut-off = Cortado
outcome-open = En curso

## Overview and search

overview-lead = { $running } de { $total } contenedores en marcha
overview-attention = Requiere atención
overview-host-lacks = Este anfitrión
overview-running = Contenedores en marcha
overview-activity = Actividad reciente
overview-host = Anfitrión
host-system = Sistema
host-kernel = Núcleo
host-cgroups = Grupos de control
host-mapped = Los ids de cada contenedor se asignan a ids propios
host-data = Carpeta de datos
search-everything = Todo
search-hint = Buscar o ir a…
search-label = Buscar o ir a
search-title = Búsqueda
search-page = página
search-nothing = Nada tiene este nombre

## Containers

containers-lead = { $total } en total · { $running } en marcha
containers-new = Nuevo contenedor
containers-filter = Filtrar por nombre, imagen o etiqueta
containers-filter-hint = Nombre, imagen, etiqueta…
containers-filtered-title = Ningún contenedor coincide
containers-filtered-lead = Nada coincide con «{ $words }» en este estado.
containers-empty-title = La dársena está libre
containers-empty-lead = Un contenedor ejecuta un programa de una imagen. Parta de una imagen que ya tenga, o traiga una.
containers-empty-new = Desde una imagen
containers-empty-images = Traer una imagen
containers-ports = Puertos (anfitrión→contenedor)
containers-none-chosen = No se seleccionó ningún contenedor. No se hizo nada.
containers-bulk-failed = { $name }: { $why }
containers-bulk-started =
    { $count ->
        [one] Se inició { $count } contenedor.
       *[other] Se iniciaron { $count } contenedores.
    }
containers-bulk-stopped =
    { $count ->
        [one] Se paró { $count } contenedor.
       *[other] Se pararon { $count } contenedores.
    }
containers-bulk-restarted =
    { $count ->
        [one] Se reinició { $count } contenedor.
       *[other] Se reiniciaron { $count } contenedores.
    }
containers-bulk-removed =
    { $count ->
        [one] Se eliminó { $count } contenedor.
       *[other] Se eliminaron { $count } contenedores.
    }
containers-ask-stop =
    { $count ->
        [one] Parar { $count } contenedor
       *[other] Parar { $count } contenedores
    }
containers-ask-remove =
    { $count ->
        [one] Eliminar { $count } contenedor
       *[other] Eliminar { $count } contenedores
    }

## One container

tab-overview = Resumen
tab-logs = Registros
tab-stats = Estadísticas
tab-changes = Cambios
open-logs = Abrir registros
container-up = activo { $duration }
container-ended = terminó { $when }
container-made = creado { $when }
container-stop-effect = Recibe su señal de parada y, si sigue tras 10 s, se mata. Sus archivos y su registro se conservan; puede iniciarse de nuevo.
container-kill-effect = Sus procesos terminan de inmediato, sin poder guardar nada. Sus archivos y su registro se conservan.
container-remove-effect = Los archivos escritos dentro y el registro se perderán para siempre; si está en marcha, se mata antes. La imagen se conserva.
container-layer-size = { $size } escritos dentro
container-started = { $name } se inició.
container-stopped = { $name } se paró.
container-restarted = { $name } se reinició.
container-killed = { $name } se mató.
container-removed = { $name } se eliminó.
container-act-failed = { $name } quedó como estaba. { $why }
container-oom-title = Se quedó sin memoria.
container-oom-lead = El núcleo lo terminó al llegar a su límite de memoria. Dele más, o busque en el registro qué creció.
container-not-started = No se pudo iniciar.
container-failed-title = Terminó con el código { $code }.
container-failed-lead = Las últimas líneas de su registro suelen decir por qué.
container-network = Red y puertos
container-no-network = Sin red: solo su propio bucle local.
when-running = se asigna al iniciarse
container-how = Cómo se ejecuta
container-command = Orden
container-user = Usuario
container-folder = Carpeta de trabajo
container-hostname = Nombre de máquina
container-limits = Límites
container-mapping = Usuarios
container-mapped = asignados desde { $base }
container-host-ids = los ids del anfitrión
container-root = Sistema de archivos raíz
container-auto-remove = Se elimina al terminar
container-events = Qué se hizo

## Logs

logs-follow = Seguir
logs-pause = Pausar
logs-search = Buscar en estos registros
logs-next = Siguiente coincidencia
logs-stream = Salida
logs-both = out + err
logs-out-only = solo out
logs-err-only = solo err
logs-out = out
logs-err = err
logs-times = Horas
logs-wrap = Ajustar
logs-download = Descargar
logs-lines = Líneas del registro, la última al final
logs-none = Aún no se ha escrito nada.
logs-last = Las últimas 500 líneas.
logs-since = Desde
logs-since-last = Últimas 500 líneas
logs-since-15m = 15 min
logs-since-1h = 1 hora
logs-since-24h = 24 horas
logs-since-all = Todo, 5000 líneas como máximo
logs-new = 0 líneas nuevas
logs-skipped = Aquí se omitieron 0 líneas: llegaron más rápido de lo que esta conexión podía llevar.
logs-rotated = { $bytes } de líneas anteriores ya no se conservan.
logs-following = Siguiendo
logs-paused = En pausa
logs-ended = El contenedor terminó; esto es todo.
logs-again = Conexión perdida, reintentando…
logs-load = Cargarlas
logs-rotated-live = Las líneas anteriores ya no se conservan.
logs-part = De { $from } a { $to }

## Changes, image of a container

changes-which = Qué cambios
changes-added = Añadidos
changes-changed = Cambiados
changes-removed = Eliminados
changes-one-added = Añadido
changes-one-changed = Cambiado
changes-one-removed = Eliminado
changes-none = No hay cambios que mostrar
changes-none-lead = Los archivos del contenedor están como en su imagen.
changes-path = Ruta
changes-how = Cambio
container-export = Exportar archivos
commit-ask = Guardar como imagen…
commit-title = Guardar como imagen
commit-lead = La imagen toma los archivos del contenedor como están ahora, y su configuración de la imagen del contenedor.
commit-pause = Dejar quieto el contenedor mientras tanto
commit-do = Guardar como imagen
commit-failed = No se hizo ninguna imagen.
commit-done = Se hizo { $image } de { $name }.

## Stats

stats-not-running = No está en marcha
stats-not-running-lead = Solo hay números mientras está en marcha.
stats-now = ahora
stats-in = Entrada
stats-out = Salida
stats-write = Escritura
stats-read = Lectura
stats-limit = Límite
stats-ended = El contenedor terminó.
stats-processes = Procesos
stats-pids-of = { $count } de { $limit } permitidos

## New container

launch-title = Nuevo contenedor
launch-lead = Una página. Solo la imagen es obligatoria, lo demás tiene valores que funcionan.
launch-wrong =
    { $count ->
        [one] Un campo necesita un cambio.
       *[other] { $count } campos necesitan un cambio.
    }
launch-nothing-made = No se creó nada.
launch-image = Imagen y etiqueta
launch-image-hint = Como nombre:etiqueta, o un id.
launch-image-here = En este anfitrión, { $size }.
launch-image-away = No está en este anfitrión.
launch-image-pull = Traer antes { $image }
launch-image-missing = Diga qué imagen ejecutar.
launch-name-hint = Vacío: se eligen dos palabras.
launch-name-wrong = Letras, cifras, punto, guion y guion bajo; al menos dos; ni «new» ni «bulk».
launch-ports = Puertos
launch-host-port = Puerto del anfitrión
launch-container-port = Puerto del contenedor
launch-protocol = Protocolo
launch-ports-hint = Deje vacío el puerto del anfitrión para obtener uno libre, o escriba 8000-8010 para obtener uno de estos; 127.0.0.1:8081 o [::1]:8081 escucha solo en este anfitrión.
launch-port-wrong = Un puerto es un número de 1 a 65535.
launch-add-port = Añadir un puerto
launch-remove-port = Quitar el puerto { $port }
launch-variables =
    { $count ->
        [one] { $count } variable
       *[other] { $count } variables
    }
launch-env-name = Nombre
launch-env-value = Valor
launch-env-wrong = Una variable tiene un nombre, sin «=».
launch-add-env = Añadir una variable
launch-remove-env = Quitar { $name }
launch-limits = Límites
launch-limits-hint = Vacío significa sin límite propio.
launch-memory-unit = Unidad de memoria
launch-memory-wrong = Un número entero, al menos 6 MiB.
launch-cpus = Núcleos de CPU
launch-cpus-wrong = Un número como 0,5, al menos 0,01.
launch-pids = Procesos
launch-pids-wrong = Un número entero, al menos 1.
launch-network-bridge = bridge: dirección propia, salida al exterior, puertos publicados
launch-network-none = none: solo su propio bucle local
launch-advanced = Avanzado
launch-advanced-line = Orden, usuario, carpeta, etiquetas, terminal
launch-command = Orden
launch-command-hint = Se separa como en un intérprete; nada se expande. Vacío: la de la imagen.
launch-entrypoint = Punto de entrada
launch-folder = Carpeta de trabajo
launch-folder-wrong = Una ruta que empieza por /.
launch-quote-open = Hay una comilla sin cerrar.
launch-add-label = Añadir una etiqueta
launch-read-only = Sistema de archivos raíz de solo lectura
launch-auto-remove = Eliminarlo al terminar
launch-tty = Darle una terminal
launch-preview = Lo mismo como orden
launch-copy = Copiar la orden
launch-update = Actualizar esta vista previa
launch-create-start = Crear e iniciar
launch-create = Solo crear
launch-created = { $name } se creó. No está iniciado.
launch-started = { $name } se creó y se inició.
launch-not-started = { $name } se creó, pero no se inició. { $why }

## Images

images-lead =
    { $count ->
        [one] { $count } imagen, { $size }
       *[other] { $count } imágenes, { $size }
    }
images-pull = Traer de un repositorio
images-pull-do = Traer
images-pull-hint = Sin nombre de máquina viene de Docker Hub, antes por los espejos.
images-pull-what = Diga qué imagen traer. No se hizo nada.
images-pull-all = Todas las etiquetas del repositorio
images-load = Cargar de un archivo
images-load-file = Archivo
images-load-do = Cargar
images-load-hint = Como lo escribe «docker save», o un archivo OCI; sin comprimir, gzip o zstd.
images-load-what = Elija un archivo que cargar. No se hizo nada.
images-filter = Nombre o etiqueta…
images-filtered-title = Ninguna imagen coincide
images-empty-title = Aún no hay imágenes
images-empty-lead = Una imagen contiene un programa y sus archivos. Traiga una de un repositorio o cárguela de un archivo.
images-use = Uso
images-in-use = En uso
images-not-used = Sin uso
images-no-tag = Sin etiqueta
images-unique = Solo suyo
images-used-by = Usada por
images-used-by-count = { $count } contenedores
images-remove-effect = Se quitan los nombres de abajo, y la imagen con las capas que ninguna otra tiene se pierde para siempre.
images-remove-used = Hay contenedores que usan esta imagen, así que ahora no puede eliminarse. Elimínelos antes.
images-remove-user = la usa
images-remove-size = { $size }, de ellos { $unique } solo suyos
images-remove-button =
    { $count ->
        [one] Eliminar la imagen, liberar { $size }
       *[other] Eliminar { $count } nombres, liberar { $size }
    }
images-removed = { $name } se eliminó; quedan libres { $size }.
images-not-removed = { $name } se conservó. { $why }
image-came = llegó { $when }
image-layers = Capas, la más nueva arriba
image-config = Configuración
image-runs = Se ejecuta como
image-names = Nombres
image-push = Subir a un registro
image-push-name = Con el nombre
image-push-do = Subir
image-push-hint = El nombre empieza por la máquina del registro. Se usan las credenciales guardadas aquí:
image-volumes = Volúmenes
image-stop-signal = Señal de parada
images-tagged = Con etiqueta
images-filter-more = Más filtros
images-filter-reference = El nombre encaja con
images-filter-label = Tiene las etiquetas de datos
images-filter-before = Construida antes que
images-filter-since = Construida después que
images-filter-digests = Mostrar resúmenes
images-filter-wrong = Estos filtros no pueden usarse. { $why }
images-shared = Compartido
images-save = Guardar
images-none-chosen = Elija antes las imágenes. No se hizo nada.
images-ask-remove =
    { $count ->
        [one] Eliminar { $count } nombre
       *[other] Eliminar { $count } nombres
    }
images-remove-several = Se quitan los nombres de abajo. Una imagen se va con su último nombre, salvo que un contenedor la use; sus propias capas se pierden para siempre.
images-remove-stopped = Hay contenedores parados que usan esta imagen. Podrán iniciarse mientras existan; no podrá hacerse ninguno nuevo.
images-remove-force = Eliminarla aunque la usen contenedores parados
images-kept = No se eliminó nada.
images-bulk-removed =
    { $count ->
        [one] Se eliminó { $count } nombre; quedan libres { $size }.
       *[other] Se eliminaron { $count } nombres; quedan libres { $size }.
    }
images-prune-ask = Eliminar sin uso…
images-prune-question = ¿Eliminar imágenes sin uso?
images-prune-which = Cuáles
images-prune-dangling = Sin etiqueta
images-prune-all = Todas las que ningún contenedor usa
images-prune-age = Construidas
images-prune-any-age = en cualquier momento
images-prune-day = hace más de un día
images-prune-week = hace más de una semana
images-prune-month = hace más de 30 días
images-prune-label-not = No tiene ninguna de las etiquetas
images-prune-look = Mostrar qué se iría
images-prune-none = No se iría nada
images-prune-effect = Ningún contenedor usa estas imágenes. Se pierden para siempre, con las capas que ninguna otra tiene.
images-prune-button =
    { $count ->
        [one] Eliminar { $count } imagen, liberar { $size }
       *[other] Eliminar { $count } imágenes, liberar { $size }
    }
images-pruned =
    { $count ->
        [one] Se eliminó { $count } imagen; quedan libres { $size }.
       *[other] Se eliminaron { $count } imágenes; quedan libres { $size }.
    }
images-search-title = Buscar una imagen
images-search-words = Palabras que buscar
images-search-do = Buscar
images-search-none = No se alcanza ningún índice de imágenes.
images-search-why = De los registros se puede traer, pero no se puede buscar en ellos. Mire en las páginas del propio registro y traiga la imagen por su nombre.
images-search-by-name = Traer por nombre
images-search-here = Ya están aquí
image-history = Historia
image-history-line =
    { $count ->
        [one] { $count } paso, el más nuevo arriba
       *[other] { $count } pasos, el más nuevo arriba
    }
image-history-by = Hecho por
image-history-empty = sin capa
image-history-when = Cuándo
image-author = Autor
image-tag = Otro nombre
image-tag-ask = Añadir un nombre…
image-tag-do = Añadir
image-tagged = La imagen se llama ahora también { $name }.
image-untag-one = Quitar { $name }
image-untag-effect = Se quita el nombre. La imagen sigue con sus otros nombres.
image-untagged = Se quitó el nombre { $name }; la imagen sigue aquí.
image-name = Nombre
image-message = Nota
image-changes = Cambios de la configuración
image-changes-hint = Instrucciones de un Dockerfile, una por línea: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR.
image-import-ask = Importar archivos…
image-import-title = Importar un sistema de archivos
image-import-lead = Un sistema de archivos raíz se convierte en una imagen de una capa.
image-import-image = La imagen
image-import-source = Dónde están los archivos
image-import-address = Dirección
image-import-file = O un archivo de aquí
image-import-hint = Un tar de la carpeta raíz; sin comprimir, gzip, zstd o xz. Con un archivo no se usa la dirección.
image-import-do = Importar
image-import-what = Elija un archivo o dé una dirección que empiece por http:// o https://.
image-import-from = Importado de { $source }
image-import-failed = No se importó nada.
image-imported = { $name } se importó.

## Operations

operations-lead = { $running } en curso, { $failed } fallidas
operations-show = Mostrar
operations-all = Todas
operations-running = En curso
operations-failed = Fallidas
operations-mine = Mías
operations-none = Nada aquí. Las descargas y cargas aparecen mientras duran y después.
operations-what = Qué
operations-state = Estado
operations-by = Por
operations-began = Empezó
operations-took = Duró
operations-footer = Salir de esta página no detiene nada.
operations-running-word = en curso
operations-cancel-of = Cancelar: { $title }
operations-cancel-asked = Se está cancelando.
operations-layers = Capas
operations-layer = Capa
operations-layer-of = Capa { $name }
operations-progress = Progreso
operations-layers-of = { $done } de { $all } capas
operations-bytes-of = { $done } de { $all }
operations-beginning = Empezando
operations-pulled = La imagen está aquí, con todos sus resúmenes comprobados.
operations-pushed = La imagen está en el registro, con todos sus resúmenes confirmados.
operations-loaded = Las imágenes del archivo están aquí, con todos sus resúmenes comprobados.
operations-interrupted = El servidor terminó antes que esto. Puede empezarse de nuevo.
operations-cancelled = Cancelada. No se cambió nada.
operations-see-image = Ver la imagen
operation-kind-pull = Traer { $thing }
operation-kind-push = Subir { $thing }
operation-kind-load = Cargar { $thing }
operation-state-running = En curso
operation-state-done = Hecha
operation-state-failed = Fallida
operation-state-cancelled = Cancelada
operation-state-interrupted = Interrumpida
step-waiting = En espera
step-exists = Ya está aquí
step-downloading = Trayendo
step-downloaded = Traída
step-extracting = Desempaquetando
step-complete = Hecha
step-preparing = Preparando
step-uploading = Enviando
step-there = Ya está allí
step-mounted = Montada desde { $from }
step-uploaded = Enviada

## Registros
registries-title = Registros
registries-lead = Nombres y contraseñas que las páginas usan para traer y subir. Se guardan cifrados; la línea de órdenes de docker lleva los suyos.
registries-kept = Guardados aquí
registries-none = Aún no hay nada guardado. Las imágenes públicas no necesitan credenciales.
registries-host = Registro
registries-user = Usuario
registries-password = Contraseña o ficha
registries-hint = Primero se pregunta al registro; lo que rechaza no se guarda.
registries-by = Añadido por
registries-add = Añadir un registro
registries-add-do = Comprobar y guardar
registries-added = { $host } nos dejó entrar; sus credenciales quedan guardadas.
registries-remove = Quitar
registries-remove-of = Quitar las credenciales de { $host }
registries-removed = Las credenciales de { $host } ya no están.

## Audit

audit-lead =
    { $count ->
        [one] { $count } entrada
       *[other] { $count } entradas
    }
audit-export = Exportar
audit-csv = CSV, estos resultados
audit-jsonl = Líneas JSON, estos resultados
audit-whole = El registro está íntegro
audit-broken = El registro fue cambiado
audit-checked = { $count } entradas, comprobadas según llegaron: sin huecos, sin cambios. Última comprobación desde la primera: { $when }.
audit-broken-entry = La entrada { $seq } no sigue a la anterior. Hasta ahí, las entradas son fiables.
audit-broken-outcome = El resultado de la entrada { $seq } no sigue al anterior. Hasta ahí, los resultados son fiables.
audit-again = Comprobar otra vez
audit-head = Final de la cadena
audit-words = Quién, acción, objeto…
audit-who = Quién
audit-anyone = Cualquiera
audit-action = Acción
audit-any-action = Cualquier acción
audit-object = Qué
audit-outcome = Resultado
audit-any-outcome = Cualquier resultado
audit-from-day = Desde
audit-to-day = hasta
audit-address = Desde dónde
audit-entries = Entradas
audit-none = Ninguna entrada coincide
audit-older = Anteriores
audit-details-of = Detalles de { $action } a las { $time }
audit-this-host = este anfitrión
audit-why = Por qué
audit-detail = Más
audit-hash = Valor de la cadena

## Account

account-title = Su cuenta
account-administrator = administrador
account-look = Aspecto de las páginas
account-theme = Tema
account-theme-system = Como el sistema
account-theme-light = Claro
account-theme-dark = Oscuro
account-language = Idioma
account-language-browser = Como el navegador
account-density = Filas
account-dense = Densas
account-roomy = Amplias
account-keys = Las teclas sueltas actúan, como dice la lista ?
account-save = Guardar
account-saved = Guardado.
account-password = Contraseña
account-present = Contraseña actual
account-present-wrong = Esta no es su contraseña actual.
account-new = Contraseña nueva
account-password-hint = Terminan todas sus otras sesiones.
account-change-password = Cambiar la contraseña
account-password-changed = Se cambió la contraseña. Las demás sesiones terminaron.
account-sessions = Dónde tiene sesión
account-sessions-hint = Una sesión termina tras 30 minutos sin uso y tras 12 horas.
account-browser = Navegador
account-began = Empezó
account-seen = Último uso
account-this = esta
account-end = Terminar
account-end-of = Terminar la sesión en { $browser }
account-session-ended = La sesión terminó.
account-tokens = Tokens de API
account-tokens-hint = Para programas que entran en su nombre: docker login, construcciones, guiones.
account-tokens-none = Aún no hay tokens.
account-token-name = Para qué es
account-token-right = Puede
account-token-view = ver y traer
account-token-operate = ver, ejecutar y subir
account-token-days = Termina tras
account-token-days-some = { $count } días
account-token-never = nunca
account-token-ends = Termina
account-token-used = Último uso
account-token-made = Creado
account-token-create = Crear un token
account-token-revoke = Revocar
account-token-revoke-of = Revocar { $name }
account-token-revoked = El token fue revocado. Lo que lo usaba ya no puede entrar.
account-token-fresh = El token solo se muestra esta vez. Cópielo ahora.

## El registro de imágenes

registry-lead =
    { $count ->
        [one] { $count } repositorio, { $size }
       *[other] { $count } repositorios, { $size }
    }
registry-lead-one =
    { $count ->
        [one] { $count } etiqueta, { $size }
       *[other] { $count } etiquetas, { $size }
    }
registry-tag-count = { $count }
registry-repository = Repositorio
registry-tags = Etiquetas
registry-tag = Etiqueta
registry-kind = Tipo
registry-digest = Resumen
registry-by = Subida por
registry-pushed = Subida
registry-pull = Traer
registry-empty-title = Aún no se ha subido nada
registry-empty-lead = Este servidor también es un registro de imágenes: suba una con docker, skopeo o podman y estará aquí, lista para ejecutarse.
registry-how = Entrar y subir
registry-how-hint = La contraseña es la suya o, mejor, un token de API de su cuenta:
registry-offered = Imagen de aquí, nunca subida
registry-kept = Guardado como llegó
registry-index = { $count } plataformas o partes
registry-no-tags = Sin etiquetas.
registry-copy-digest = Copiar el resumen de { $tag }
registry-untagged = Sin etiqueta
registry-untagged-hint = Aún se traen por su resumen.
registry-remove-effect = Nadie podrá traerlo de aquí, y las capas que nada más necesita se van para siempre. Los contenedores siguen en marcha.
registry-removed = { $name } se eliminó del registro de imágenes.

## Signing in

session-title = Entrar
session-user = Nombre de usuario
session-password = Contraseña
session-begin = Entrar
session-wrong = El nombre de usuario o la contraseña no son correctos.
session-wait = Demasiados intentos. Espere { $seconds } s e inténtelo de nuevo.
password-hint = Al menos 10 caracteres; sin reglas sobre signos ni mayúsculas. Las contraseñas comunes se rechazan.
weakness-short = Hacen falta al menos 10 caracteres.
weakness-long = Como mucho 256 caracteres.
weakness-user-name = La contraseña no debe ser el nombre de usuario.
weakness-common = Esta contraseña está entre las primeras que se prueban. Elija otra.
set-up-title = Primer administrador
set-up-lead = Esta persona puede hacerlo todo en { $host }.
set-up-word = Palabra de puesta en marcha
set-up-word-hint = Darsena la mostró al arrancar, como «Set-up word: …». Prueba que este anfitrión es suyo.
set-up-word-wrong = Esta no es la última palabra mostrada.
set-up-name-hint = De 2 a 32 letras, cifras, puntos, guiones o guiones bajos; empieza por letra.
set-up-name-wrong = Esto no puede ser un nombre de usuario.
set-up-do = Crear y entrar

## What went wrong

error-request = petición
error-home = Al resumen
error-all-containers = Todos los contenedores
error-all-images = Todas las imágenes
error-all-operations = Todas las operaciones
error-page-title = Esta página no existe
error-page-lead = La dirección puede estar mal escrita, o lo que mostraba ya no está.
error-missing-title = Esto no está aquí
error-missing-lead = Puede que se eliminara o cambiara de nombre desde que se dibujó la página anterior.
error-conflict-title = Su estado actual no permite esto
error-conflict-lead = No se cambió nada.
error-invalid-title = Esta petición no se entiende
error-invalid-lead = No se cambió nada.
error-forbidden-title = No puede hacer esto
error-forbidden-lead = Un administrador puede conceder el permiso. El intento queda registrado.
error-stale-title = Este formulario ya no vale
error-stale-lead = Se dibujó para otra sesión. No se cambió nada. Abra la página de nuevo y repita lo que hizo.
error-foreign-title = Este formulario vino de otro sitio
error-foreign-lead = No se cambió nada. Si usted no lo inició, cierre la página que le trajo aquí.
error-unsupported-title = Este anfitrión no puede hacer esto
error-unsupported-lead = No se cambió nada.
error-upstream-title = El repositorio no respondió como debía
error-upstream-lead = No se cambió nada. Intentarlo de nuevo puede servir.
error-unavailable-title = No es posible ahora mismo
error-unavailable-lead = No se cambió nada. Intentarlo de nuevo en un momento puede servir.
error-internal-title = Esto falló dentro de Darsena
error-internal-lead = Lo pedido puede estar hecho en parte; mire la página correspondiente. El registro del servidor tiene la causa con el número de petición de abajo.

## Builds

nav-builds = Compilaciones
builds-new = Nueva compilación
builds-filter = Nombre, persona u origen…
builds-empty-title = Aún no se compiló nada
builds-empty-lead = Una compilación hace una imagen a partir de un Dockerfile y sus archivos, paso a paso.
builds-filtered-title = Ninguna compilación encaja
builds-step = Paso
builds-steps = Pasos
builds-step-of = Paso { $done } de { $all }
builds-steps-done = { $done } de { $all } pasos hechos
builds-cached =
    { $count ->
        [one] { $count } paso de la caché
       *[other] { $count } pasos de la caché
    }
builds-like = Nueva compilación como esta
builds-remove-ask = Eliminar registro…
builds-remove-one = Eliminar el registro de { $name }
builds-remove-effect = El registro, su salida y los archivos subidos desaparecen para siempre. La imagen que hizo se queda.
builds-remove-button = Eliminar el registro
builds-remove-running = Esta compilación sigue en curso. Cancélela antes.
builds-removed = El registro fue eliminado.
builds-none-chosen = Elija antes los registros. No se hizo nada.
builds-ask-remove =
    { $count ->
        [one] Eliminar { $count } registro
       *[other] Eliminar { $count } registros
    }
builds-bulk-removed =
    { $count ->
        [one] Se eliminó { $count } registro.
       *[other] Se eliminaron { $count } registros.
    }
builds-not-removed = El registro de { $name } se conservó. { $why }
build-from-cache = De la caché
build-from-upload = de la subida { $file }
build-from-remote = de { $address }
build-from-dockerfile = de un Dockerfile pegado
build-from-client = de un cliente docker
build-step-waiting = En espera
build-seconds = { $seconds } s
build-cached = en caché
build-log-full = El registro está lleno. El resto de la salida se dejó fuera; los pasos siguen.
build-log-ended = La compilación ha terminado
build-log-none = Aún no hay salida.
build-output = Salida
build-output-of = Salida del paso { $step }
build-output-all = Todos los pasos
build-cancel = Cancelar la compilación
build-again = Compilar de nuevo
build-again-secrets = Compilar de nuevo, con sus secretos…
build-line = Línea { $line }
build-stage = Etapa { $name }
build-number = N.º
build-instruction = Instrucción
build-adds = Añade
build-asked = Lo que se pidió
build-names = Nombres
build-names-hint = Uno o más, con espacios entre ellos. Sin nombre la imagen solo tiene su id.
build-dockerfile = Dockerfile
build-dockerfile-path = Ruta del Dockerfile
build-dockerfile-missing = Pegue un Dockerfile.
build-target = Etapa en la que parar
build-args = Argumentos
build-args-line = argumentos, etiquetas, etapa
build-args-hint = No se guardan los valores de nombres con PASS, TOKEN, SECRET o KEY.
build-add-arg = Añadir un argumento
build-arg-empty = { $name } no tiene valor. No se guardó: dé el valor otra vez.
build-number-wrong = Esto no es un número mayor que 0.
build-secrets = Secretos
build-secrets-line = para RUN --mount=type=secret
build-secrets-hint = Llegan a los pasos que los piden y no se guardan en ningún sitio: ni en la imagen, ni en la caché, ni en la salida, ni en el registro.
build-secret-id = Id
build-secret-value = Valor
build-secret-half = Un secreto necesita un id y un valor.
build-platform = Plataforma
build-run = Cómo se ejecuta
build-run-line = caché, red, límites
build-no-cache = Hacer todos los pasos de nuevo
build-pull = Pedir imágenes base más nuevas
build-no-network = Sin red para los pasos RUN
build-new-lead = Continúa aunque usted se vaya.
build-ways = De dónde vienen los archivos
build-way-paste = Pegar un Dockerfile
build-way-upload = Subir una carpeta
build-way-address = De una dirección
build-paste-hint = No hay otros archivos: COPY no encuentra nada, RUN y FROM sí.
build-upload-hint = El archivo tar de una carpeta con un Dockerfile dentro. Se respeta su .dockerignore.
build-archive = Archivo de la carpeta
build-archive-hint = tar; sin comprimir, gzip, bzip2, xz o zstd. Se guarda una semana para poder compilarlo otra vez.
build-archive-kept = Sin otro archivo, se toman los de la compilación anterior.
build-file-missing = Elija un archivo.
build-address = Dirección
build-address-hint = Un repositorio git con #rama:carpeta opcional, un archivo tar o un Dockerfile.
build-address-wrong = Una dirección empieza por https:// o git@.
build-check = Comprobar
build-check-good = Nada que objetar.
build-do = Compilar
cache-title = Caché de compilación
cache-lead =
    { $count ->
        [one] { $count } registro, { $size }
       *[other] { $count } registros, { $size }
    }
cache-empty-title = No se guarda nada
cache-empty-lead = Aquí se guardan los resultados de los pasos, para que la próxima compilación no los repita.
cache-what = Qué
cache-used = Último uso
cache-uses = Veces
cache-mount = Montaje de caché
cache-more =
    { $count ->
        [one] y { $count } más
       *[other] y { $count } más
    }
cache-prune-old = Sin uso en una semana…
cache-prune-unused = Lo que no hace falta…
cache-prune-all = Todo…
cache-prune-question = ¿Eliminar esto de la caché de compilación?
cache-prune-effect = Las próximas compilaciones repetirán estos pasos. Imágenes y contenedores conservan todo lo que necesitan.
cache-prune-button =
    { $count ->
        [one] Eliminar { $count } registro, { $size }
       *[other] Eliminar { $count } registros, { $size }
    }
cache-pruned =
    { $count ->
        [one] Se eliminó { $count } registro; { $size } quedan libres.
       *[other] Se eliminaron { $count } registros; { $size } quedan libres.
    }
operations-built = La imagen está aquí.
operation-kind-build = Compilar { $thing }
error-all-builds = Todas las compilaciones
images-build = Compilar
image-built-by = Cómo se compiló

## Equipos y personas

nav-manage = Gestión
nav-teams = Equipos
nav-teams-users = Equipos y usuarios
role = Función
people = Personas
team = Equipo
teams-lead = { $teams }, { $people }
teams-lead-own = Los equipos en los que está usted
team-count =
    { $count ->
        [one] { $count } equipo
       *[other] { $count } equipos
    }
team-people =
    { $count ->
        [one] { $count } persona
       *[other] { $count } personas
    }
team-repositories =
    { $count ->
        [0] sin repositorios
        [one] { $count } repositorio
       *[other] { $count } repositorios
    }
teams-none = Aún no hay equipos. A un equipo pertenecen los repositorios cuyo nombre empieza por el suyo: shop/api es del equipo shop.
teams-none-own = Aún no está en ningún equipo. Un administrador, o quien dirige un equipo, puede incluirle.
team-new = Equipo nuevo
team-create = Crear el equipo
team-created = El equipo { $name } está creado.
team-name-hint = En minúsculas, como se escriben los repositorios: shop/api es del equipo shop.
team-viewer = lector
team-operator = operador
team-lead = responsable
team-roles-hint = Un lector descarga. Un operador además sube y elimina. Un responsable además decide quién está en el equipo.
team-role-of = Función de { $name }
team-put-in = Incluir en el equipo
team-take-out = Quitar
team-take-out-of = Quitar a { $name } del equipo
team-empty = Aún no hay nadie en este equipo.
team-owns = Repositorios
team-owns-none = Aún no se ha subido nada a { $team }/…
team-place = { $team } ({ $role })
team-member-set = { $user } es ahora { $role } aquí.
team-member-removed = { $user } ya no está en { $team }.
team-removed = El equipo { $name } se ha eliminado.
team-remove-effect = Sus personas conservan la cuenta. Sus repositorios se quedan, pero solo los administradores llegan a ellos.
people-all-teams = todos los equipos
person-new = Persona nueva
person-first-password = Primera contraseña
person-create = Crear la cuenta
person-created = { $name } ya puede entrar.
person-about = Cuenta
person-made = Creada
person-password-age = puesta { $when }
person-audit = Lo que hizo esta persona
person-own = Esta es su propia cuenta: la contraseña y las sesiones están en su página.
person-new-password = Contraseña nueva
person-password-do = Poner la contraseña
person-password-hint = Terminan todas las sesiones de esta persona.
person-password-set = { $name } tiene una contraseña nueva; todas sus sesiones han terminado.
person-is-suspended = suspendida
person-promote = Hacer administrador
person-demote = Hacer miembro
person-suspend = Suspender
person-resume = Dejar entrar de nuevo
person-promote-ask = Hacer a { $name } administrador
person-demote-ask = Hacer a { $name } miembro
person-suspend-ask = Suspender a { $name }
person-resume-ask = Dejar entrar de nuevo a { $name }
person-promote-effect = Un administrador puede hacerlo todo en este anfitrión. Terminan todas las sesiones de esta persona; al entrar de nuevo tendrá la función nueva.
person-demote-effect = Un miembro solo tiene lo que tienen sus equipos. Terminan todas las sesiones de esta persona.
person-suspend-effect = Terminan todas las sesiones y las fichas dejan de valer hasta que se le deje entrar de nuevo. Nada más cambia.
person-resume-effect = La persona puede entrar y sus fichas valen de nuevo.
person-remove-effect = La cuenta desaparece para siempre, con sus fichas y sus puestos en equipos. Lo que hizo esta persona queda en la auditoría.
person-promoted = { $name } es ahora administrador.
person-demoted = { $name } es ahora miembro.
person-suspended = { $name } está en suspenso.
person-resumed = { $name } puede entrar de nuevo.
person-removed = La cuenta de { $name } se ha eliminado.
account-member = miembro
session-suspended = Esta cuenta está suspendida. Pregunte a un administrador.

## Lo que usó un contenedor

usage-range = Periodo
usage-live = En vivo
usage-hours = { $count } h
usage-days = { $count } días
usage-when = Hora
usage-mean = media
usage-most = máximo
usage-label = { $what } a lo largo del tiempo, como mucho { $most }
usage-none = No hay nada registrado en este periodo
usage-none-lead = Lo que usa un contenedor se registra cada diez segundos mientras funciona, se guarda un día y, como medias de cinco minutos, treinta días.

## Inspeccionar

tab-inspect = Inspeccionar
inspect-search = Nombres y valores
inspect-none = Nada aquí contiene estas palabras.

## The life of a container
state-paused = En pausa
state-restarting = Reiniciándose
pause = Pausar
unpause = Reanudar
rename = Renombrar
rename-ask = Renombrar…
rename-new = Nombre nuevo
tab-settings = Ajustes
container-paused = { $name } está en pausa
container-unpaused = { $name } sigue en marcha
container-renamed = { $name } se llama ahora { $new }
containers-bulk-paused =
    { $count ->
        [one] Un contenedor está en pausa
       *[other] { $count } contenedores están en pausa
    }
containers-bulk-unpaused =
    { $count ->
        [one] Un contenedor sigue en marcha
       *[other] { $count } contenedores siguen en marcha
    }
containers-prune = Eliminar sin uso…
containers-prune-question = ¿Eliminar los contenedores que no están en marcha?
containers-prune-age = Creado
containers-pruned =
    { $count ->
        [one] Un contenedor eliminado, { $size } liberados
       *[other] { $count } contenedores eliminados, { $size } liberados
    }
restart-policy = Política de reinicio
restart-no = Nunca
restart-on-failure = Tras un fallo
restart-always = Siempre
restart-unless-stopped = Salvo si se detuvo a mano
restart-retries = Intentos tras fallos
restart-retries-hint = Solo cuenta tras un fallo. Vacío significa sin fin.
restart-wrong = Elija una política y un número entero de intentos.
restart-and-remove = Un contenedor que se elimina al terminar no se puede reiniciar.
settings-title = Reinicio y límites
settings-lead = Los cambios valen al instante, también con el contenedor en marcha.
settings-memory = Memoria en MiB
settings-reservation = Reserva de memoria en MiB
settings-shares = Peso de CPU
settings-cpuset = CPU que puede usar
settings-io-weight = Peso de disco, de 10 a 1000
settings-used = { $amount } en uso
settings-save = Guardar
settings-saved = Los ajustes de { $name } han cambiado
settings-same = No se cambió nada
settings-failed = No se cambió nada.
settings-wrong = Revise el campo «{ $field }».
settings-past = Ejecuciones anteriores
settings-past-none = Aún no ha terminado ninguna.
settings-past-when = Terminó
settings-past-code = Código
settings-past-ran = Duró
settings-restarts =
    { $count ->
        [0] sin reinicios
        [one] reiniciado una vez
       *[other] reiniciado { $count } veces
    }

## Comprobaciones de salud

health = Salud
health-starting = Arrancando
health-healthy = Sano
health-unhealthy = No sano
health-trouble = No sano: fallaron las últimas { $count } comprobaciones.
health-every = cada { $time }
health-none-yet = Aún no terminó ninguna comprobación.
health-result = Resultado
health-took = Duración
health-output = Salida
health-ms = { $ms } ms
health-good = correcta
health-late = tardó demasiado
health-bad = falló, código { $code }

## Terminal

tab-terminal = Terminal
terminal-of = Terminales de { $name }
terminal-not-running = Este contenedor no está en marcha
terminal-not-running-lead = Arráncalo para abrir una terminal en él.
terminal-shell = Intérprete
terminal-auto = El mejor que haya
terminal-user = Usuario
terminal-open = Abrir
terminal-open-ones = Terminales abiertas
terminal-stay = Terminan diez minutos después de que nadie las mire.
terminal-end = Terminar
terminal-none = No hay ninguna terminal abierta. Elige un intérprete y abre una.
terminal-no-script = La terminal necesita JavaScript. Desde una línea de órdenes:
terminal-ended = El intérprete terminó con código #. Una tecla cierra esta terminal.
terminal-lost = Se perdió la conexión; se intenta de nuevo.
terminal-full = Hay ocho terminales abiertas aquí: termina una antes.
terminal-connected = Conectado. Salir de la página no termina el intérprete.
terminal-label = Terminal
## A qué está abierto un contenedor

opened-title = Abierto al anfitrión o a otro contenedor:
opened-privileged = privilegiado
opened-host-users = los usuarios del anfitrión
opened-devices = dispositivos
opened-host-processes = los procesos del anfitrión
opened-shared-processes = los procesos de otro contenedor
opened-host-ipc = la IPC del anfitrión
opened-shared-ipc = la IPC de otro contenedor
opened-host-name = el nombre del anfitrión
opened-host-cgroups = los grupos de control del anfitrión
opened-no-seccomp = sin filtro de llamadas al sistema
opened-own-seccomp = un filtro propio de llamadas al sistema
opened-system-paths = rutas del sistema no ocultas como es habitual
# Volumes and their files
nav-volumes = Volúmenes
volumes-lead =
    { $count ->
        [one] { $count } volumen, { $size }
       *[other] { $count } volúmenes, { $size }
    }
volumes-new = Volumen nuevo
volumes-make = Crear
volumes-name-hint = Letras, cifras, punto, guion y guion bajo. Sin nombre se elige uno.
volumes-more = Etiquetas y opciones del controlador
volumes-type = Tipo
volumes-device = Dispositivo
volumes-options = Opciones
volumes-options-hint = Como en mount(8): tmpfs es memoria, none con la opción bind es una carpeta de este servidor, nfs es otro servidor. Todo menos la memoria requiere un administrador.
volumes-filter = Filtrar volúmenes
volumes-all = Todos
volumes-used = En uso
volumes-unused = Sin uso
volumes-anonymous = anónimo
volumes-empty-title = Aún no hay volúmenes
volumes-empty-lead = Un volumen guarda archivos más allá de la vida de un contenedor, y varios contenedores pueden compartirlo. Cree uno aquí, o nómbrelo al crear un contenedor.
volumes-filtered-title = Ningún volumen coincide
volumes-remove-some =
    { $count ->
        [one] Eliminar { $count } volumen
       *[other] Eliminar { $count } volúmenes
    }
volumes-none-chosen = Elija antes al menos un volumen.
volumes-removed =
    { $count ->
        [one] Se eliminó { $count } volumen.
       *[other] Se eliminaron { $count } volúmenes.
    }
volumes-prune-question = ¿Eliminar los volúmenes que ningún contenedor usa?
volumes-prune-anonymous = Los anónimos
volumes-prune-all = Todos
volumes-prune-none = No hay ninguno
volumes-prune-button =
    { $count ->
        [one] Eliminar { $count } volumen, { $size }
       *[other] Eliminar { $count } volúmenes, { $size }
    }
volumes-pruned =
    { $count ->
        [one] Se eliminó { $count } volumen; quedan libres { $size }.
       *[other] Se eliminaron { $count } volúmenes; quedan libres { $size }.
    }
volume-made = Se creó el volumen { $name }.
volume-there = Ya hay un volumen llamado { $name }.
volume-since = creado { $when }
volume-removed = Se eliminó el volumen { $name }.
volume-remove-effect = Todos sus archivos se pierden para siempre.
volume-in-use = Lo usa { $names }: elimine eso primero.
volume-browse = Archivos
volume-browse-one = Archivos de { $name }
volume-not-used = Ningún contenedor lo monta.
volume-stopped = Parado
volume-what = Sobre este volumen
volume-place = En el servidor
files-title = Archivos
files-empty = Aquí no hay nada.
files-owner = Dueño
files-mode = Permisos
files-changed = Modificado
files-special = no es un archivo
files-more = No se muestran { $count } más.
files-tar = Descargar como tar
files-download = Descargar
files-rename-ask = Cambiar nombre…
files-rename-one = Cambiar el nombre de { $name }
files-rename-to = Nombre nuevo
files-rename-do = Cambiar nombre
files-renamed = { $old } es ahora { $new }.
files-upload = Subir
files-upload-which = Archivos
files-upload-do = Subir
files-upload-what = Elija antes un archivo.
files-uploaded = Se subió { $name }.
files-replace = Reemplazar lo que haya
files-new = Nuevo
files-folder = Carpeta
files-folder-do = Crear
files-folder-made = Se creó la carpeta { $name }.
files-text = Archivo de texto
files-text-do = Escribir
files-name-wrong = Un nombre no lleva / ni es . o ..
files-remove-effect = Se pierde para siempre; una carpeta, con todo lo que tenga.
files-removed = Se eliminó { $name }.
files-saved = Se guardó { $name }.
files-content = Contenido
files-save = Guardar
files-conflict = Abajo está lo que hay ahora, y su texto. Si guarda otra vez, reemplaza lo que hay.
files-theirs = Lo que hay ahora
files-no-text = Este archivo no se puede editar aquí
files-no-text-lead = Pasa de 64 KiB o no es texto.
launch-mount-source = Volumen o carpeta del servidor
launch-mount-target = Dónde, por dentro
launch-mount-mode = Acceso
launch-mounts-hint = Un nombre crea o toma un volumen, una ruta que empieza por / es una carpeta de este servidor, y nada es un volumen nuevo, propio del contenedor.
launch-add-mount = Añadir volumen
launch-mount-target-wrong = El lugar por dentro empieza por / y no es / mismo.
launch-mount-source-wrong = El nombre de un volumen tiene dos o más letras, cifras, puntos, guiones y guiones bajos.
container-mounts = Montajes
container-mounts-none = No hay nada montado: lo que escriba se va con él.
container-remove-volumes =
    { $count ->
        [one] Eliminar también su volumen propio
       *[other] Eliminar también sus { $count } volúmenes propios
    }
container-remove-volumes-hint = Los volúmenes con nombre se quedan.
mount-target = Dónde, por dentro
mount-source = Qué
mount-kind = Clase
mount-bind = carpeta del servidor
mount-volume = volumen
mount-anonymous = volumen propio
mount-tmpfs = memoria
mount-container = Contenedor

## Redes

nav-networks = Redes
networks-lead =
    { $networks ->
        [one] { $networks } red
       *[other] { $networks } redes
    }, { $containers ->
        [one] { $containers } contenedor conectado
       *[other] { $containers } contenedores conectados
    }
networks-picture = Quién alcanza a quién
networks-picture-lead = Los contenedores de una misma línea se alcanzan entre sí.
networks-picture-label = Dibujo de las redes, se desplaza de lado
networks-picture-about = Cada línea es una red, cada caja un contenedor. Un anillo donde un contenedor toca una línea indica que está en esa red; uno que no está en marcha no tiene línea. La tabla de abajo dice lo mismo con palabras.
networks-ports = Puertos publicados
networks-left-out = { $count } contenedores más están solo en la tabla.
networks-range = Rango
networks-attached = Contenedores
networks-attached-count =
    { $count ->
        [one] { $count } contenedor
       *[other] { $count } contenedores
    }
networks-reach = Llega al exterior
networks-reach-out = sí
networks-reach-inside = no, solo dentro
networks-reach-host = es la del anfitrión
networks-reach-none = no, solo bucle local
networks-new = Red nueva
networks-create = Crear la red
networks-name-hint = Los contenedores que están en ella se encuentran por su nombre.
networks-range-hint = Si está vacío, se elige por usted.
networks-handed-out = Se reparte
networks-internal = Solo dentro: sin salida ni puertos publicados
networks-apart = Mantener separados sus contenedores
networks-prune-ask = Eliminar las no usadas…
networks-prune-none = Todas las redes las usa algún contenedor.
networks-prune-effect = Ningún contenedor usa estas redes. Se eliminan para siempre.
networks-prune-button =
    { $count ->
        [one] Eliminar { $count } red
       *[other] Eliminar { $count } redes
    }
networks-pruned =
    { $count ->
        [one] Se eliminó { $count } red.
       *[other] Se eliminaron { $count } redes.
    }
network-created = Se creó la red { $name }.
network-removed = Se eliminó la red { $name }.
network-remove-effect = Los contenedores creados para estar en ella no podrán iniciarse hasta que exista de nuevo una red con este nombre.
network-remove-in-use = Hay contenedores en ella. Podrá eliminarse cuando la hayan dejado.
network-connected = { $container } está ahora en { $network }.
network-disconnected = { $container } ha dejado { $network }.
networks-driver = Controlador
networks-bridge = Puente
networks-id = Id
networks-about = Datos
networks-by-name = Se encuentran por estos nombres.
networks-nobody = No hay en ella ningún contenedor en marcha.
networks-mac = Dirección física
networks-names = Más nombres
networks-take-out = Sacar
networks-take-out-one = Sacar { $name } de la red
networks-put-in = Conectar un contenedor
networks-put-in-do = Conectar
networks-no-others = No hay otro contenedor que pueda estar en ella.
networks-container = Contenedor
networks-ip-hint = Si está vacío, se elige por usted. Solo donde una persona eligió el rango de la red.
networks-ip-wrong = Eso no es una dirección IPv4.
networks-names-hint = Los demás de esta red también pueden usarlos.
launch-network-host = host: la red del anfitrión, sin derechos sobre ella

# Log drivers
logs-not-kept = Este contenedor no guarda registro: su controlador de registro es none.

# Contenedores: el formulario entero, la edición, la vuelta atrás
launch-usual = Como siempre
launch-life = Reinicio y parada
launch-publish-all = Publicar cada puerto expuesto en un puerto libre del anfitrión
launch-more-limits = Más límites
launch-reservation = Reserva de memoria
launch-swap = Memoria y swap juntos
launch-swap-hint = Al menos el límite de memoria; -1 es swap sin límite. Vacío: el doble del límite de memoria.
launch-swap-wrong = Necesita un límite de memoria y no puede ser menor que él.
launch-reservation-wrong = No puede ser mayor que el límite de memoria.
launch-size-hint = Como 64m o 1.5g.
launch-size-wrong = Un tamaño es un número con unidad, como 64m; la memoria es al menos 6m.
launch-shm = Tamaño de /dev/shm
launch-shm-hint = Vacío: 64m.
launch-shares-wrong = Un número entero de 2 a 262144.
launch-cpuset-hint = Como 0-2,4.
launch-cpuset-wrong = Números e intervalos, como 0-2,4.
launch-io-weight-wrong = Un número entero de 10 a 1000.
launch-oom-score = Puntuación OOM, de -1000 a 1000
launch-oom-score-wrong = Un número entero de -1000 a 1000.
launch-ulimits = Límites de proceso (ulimit)
launch-ulimits-hint = Uno por línea: nofile=1024:2048, core=-1.
launch-ulimits-wrong = «{ $line }» no es un límite. Escriba nombre=blando:duro; -1 es sin límite.
launch-health = Comprobación de salud
launch-health-kind = Tipo de comprobación
launch-health-image = La de la imagen
launch-health-shell = Una orden para el intérprete
launch-health-exec = Un programa con argumentos
launch-health-none = Ninguna
launch-health-command = Orden de comprobación
launch-health-command-hint = El código 0 es sano, cualquier otro no.
launch-health-command-wrong = Diga qué orden comprueba si está sano.
launch-health-interval = Intervalo
launch-health-timeout = Tiempo límite de una prueba
launch-health-retries = Fallos hasta no sano
launch-health-start-period = Periodo de arranque
launch-health-start-interval = Intervalo durante el arranque
launch-time-hint = Como 30s, 1m30s o 500ms.
launch-time-wrong = Un tiempo se escribe como 30s, 1m30s o 500ms.
launch-count-wrong = Un número entero.
launch-names = Nombres
launch-domainname = Dominio NIS
launch-hostname-wrong = Un nombre de anfitrión tiene de 1 a 63 caracteres.
launch-dns = Servidores de nombres
launch-dns-hint = Direcciones separadas por espacios. Vacío: los del anfitrión.
launch-dns-wrong = Un servidor de nombres es una dirección IP.
launch-dns-search = Dominios de búsqueda
launch-dns-options = Opciones de resolución
launch-hosts = Más anfitriones
launch-hosts-hint = Uno por línea, nombre:dirección; host-gateway es este anfitrión.
launch-hosts-wrong = «{ $line }» no es nombre:dirección.
launch-mac-wrong = Como 02:42:ac:11:00:02.
launch-network-alone = Direcciones, nombres y más redes necesitan una red propia.
launch-also = También en
launch-isolation = Aislamiento
launch-init = Un init como proceso 1 recoge procesos y transmite señales
launch-no-new-privileges = Sin privilegios nuevos
launch-cap-add = Capacidades añadidas
launch-cap-drop = Capacidades retiradas
launch-cap-hint = Nombres separados por espacios, o ALL.
launch-cap-wrong = Nombres como NET_ADMIN, separados por espacios.
launch-ipc = IPC
launch-ipc-hint = Vacío es propio; none es sin /dev/shm; shareable deja que otros se unan; host y container:nombre son para administradores.
launch-ipc-wrong = Nada, none, shareable, host o container:nombre.
launch-sysctls = Parámetros del núcleo (sysctl)
launch-sysctls-hint = Uno por línea: net.ipv4.ip_forward=1.
launch-sysctls-wrong = «{ $line }» no es nombre=valor.
launch-opening = Apertura al anfitrión
launch-opening-hint = Cada una deja al contenedor llegar más lejos en este anfitrión. Solo los administradores pueden elegirlas; queda registrado.
launch-opening-not-yours = El contenedor del que se llenó este formulario está abierto al anfitrión o a otro contenedor. Solo un administrador puede hacer otro igual.
launch-privileged = Privilegiado: todas las capacidades y dispositivos, sin filtro
launch-host-users = Los usuarios del anfitrión (userns=host)
launch-host-uts = El nombre del anfitrión (uts=host)
launch-host-cgroups = Los grupos de control del anfitrión (cgroupns=host)
launch-unconfined = Sin filtro de llamadas al sistema (seccomp=unconfined)
launch-pid = Procesos que ve (pid)
launch-pid-hint = Vacío es los propios; host, o container:nombre.
launch-pid-wrong = Nada, host o container:nombre.
launch-devices = Dispositivos
launch-devices-hint = Uno por línea: /dev/fuse, /dev/sda:/dev/xvda:r.
launch-devices-wrong = «{ $line }» no es un dispositivo. Escriba /dev/anfitrión:/dev/dentro:rwm.
launch-device-rules = Reglas de dispositivos
launch-device-rules-hint = Una por línea: c 189:* rwm.
launch-device-rules-wrong = «{ $line }» no es una regla. Escriba c 189:* rwm.
launch-log = Registro
launch-log-driver = Controlador de registro
launch-log-json-file = json-file: se guarda aquí, el habitual
launch-log-local = local: se guarda aquí, con rotación
launch-log-none = none: no se guarda
launch-log-options = Opciones del registro
launch-log-options-hint = Una por línea: max-size=10m, max-file=3, tag=web.
launch-log-options-wrong = «{ $line }» no es nombre=valor.
launch-stop-signal = Señal de parada
launch-stop-signal-hint = Como SIGINT. Vacío: la de la imagen, o SIGTERM.
launch-stop-signal-wrong = El nombre o número de una señal.
launch-stop-timeout = Tiempo para parar
launch-stop-timeout-hint = Después se mata. Segundos enteros; vacío: 10s.
launch-stop-timeout-wrong = Segundos enteros, como 30s.
launch-tmpfs = Carpetas en memoria (tmpfs)
launch-tmpfs-hint = Una por línea: /run, o /tmp:size=64m.
launch-tmpfs-wrong = «{ $line }» no empieza por la ruta de una carpeta.
launch-mount-kept = Se conserva tal cual:
launch-groups = Más grupos
launch-stdin = Mantener abierta la entrada estándar
launch-base-gone = El contenedor del que se llenó este formulario ya no está, ni lo que ningún campo dice. Empiece un formulario nuevo.
launch-unsaid-links = El cliente no puede decir enlaces en más redes; faltan en esta línea.
launch-unsaid-seccomp = PROFILE.json representa el filtro propio de este contenedor.
launch-unsaid-paths = El cliente no puede decir qué rutas del sistema se ocultan; falta en esta línea.
launch-unsaid-health = El cliente da la comprobación a un intérprete; el programa de este contenedor se ejecuta sin él.
edit-title = Editar { $name }
edit-lead = Se hace de nuevo con los mismos volúmenes y nombre; verá los cambios antes de que se haga nada.
edit-review = Revisar los cambios
edit-changes = Qué cambia
edit-no-changes = No cambia nada.
edit-comes = Llega:
edit-goes = Se va:
launch-said =
    { $count ->
        [one] { $count } puesto
       *[other] { $count } puestos
    }
edit-ask = Editar…
edit-question = ¿Hacer { $name } de nuevo?
edit-do = Hacerlo de nuevo
edit-back = Volver al formulario
edit-effect-runs = Se para y el nuevo arranca en su lugar, con los mismos volúmenes. Los archivos escritos en otra parte quedan en la versión anterior, que se conserva para volver. Si el nuevo no se puede hacer o arrancar, el anterior vuelve a funcionar.
edit-effect = El nuevo toma su lugar con los mismos volúmenes y no se arranca. Los archivos escritos en otra parte quedan en la versión anterior, que se conserva para volver.
edit-changed-meanwhile = Entretanto se hizo de nuevo o se eliminó. Empiece otra vez desde su página.
edit-done = { $name } se hizo de nuevo. La versión anterior se conserva.
edit-went-back = { $name } está como antes. La versión que dejó se conserva.
edit-forgotten = Se eliminó una versión anterior de { $name }.
edit-forget-one = Olvidar la versión anterior de { $name }
edit-forget-effect = Se elimina con los archivos escritos en él; los volúmenes quedan. Después no se puede volver a ella.
edit-versions = Versiones anteriores
edit-versions-hint = Volver para lo que está en marcha, pone esta versión en su lugar con el mismo nombre y conserva la otra.
edit-version-runs = en marcha; párela para volver
edit-go-back = Volver
edit-go-back-to = Volver a { $name }
edit-forget = Olvidarla
edit-forget-version = Olvidar { $name }
edit-is-version = Versión anterior de
edit-goes-with-its-end = Se elimina cuando termina, así que no habría vuelta atrás. Duplíquelo.
edit-is-replaced = Es una versión anterior de { $name }. Vuelva antes a ella en esa página.
edit-as-it-was = El contenedor está como estaba.
# IPv6, macvlan
networks-ipv6 = También direcciones IPv6
networks-range6 = Rango IPv6
networks-range6-hint = Si se deja vacío, se elige por usted.
networks-gateway6 = Puerta de enlace IPv6
networks-handed-out6 = Se reparte de IPv6
networks-ip6 = Dirección IPv6
networks-ip6-wrong = Eso no es una dirección IPv6.
networks-parent = Interfaz del anfitrión
networks-mode = Modo de macvlan
networks-driver-bridge = bridge: detrás de este anfitrión
networks-driver-macvlan = macvlan: en la LAN de una interfaz
networks-driver-hint = Con macvlan, los contenedores están en la LAN del anfitrión con todos sus puertos, fuera de su cortafuegos.
networks-reach-lan = sí, en la propia LAN
launch-ip6 = Dirección IPv6
launch-ip6-hint = Si está vacía se elige, donde la red tiene IPv6.
launch-ip6-wrong = Eso no es una dirección IPv6.
