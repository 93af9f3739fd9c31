-- A shop for coffee and tea: 400 customers, 60 products, and the 3,000 orders of the year up to
-- 2026-06-30, all of them still pending. walk.sql then takes them through the process.
--
--     psql -f examples/shop/data.sql -f examples/shop/walk.sql -f examples/shop/show.sql
--
-- It is the same data every time: chance comes from md5() of a name.

\set ON_ERROR_STOP on

BEGIN;

-- A number from 0 up to, and without, n. It lives in this session only.
CREATE FUNCTION pg_temp.draw(name text, n integer) RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN (('x' || substr(md5(name), 1, 8))::bit(32)::bigint * n >> 32)::integer;
-- The same, but small numbers come more often: half of the draws are in the first quarter.
CREATE FUNCTION pg_temp.draw_low(name text, n integer) RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN (pg_temp.draw(name, 10000)::bigint * (pg_temp.draw(name, 10000) + 1) * n / 100000000)::integer;


-- Products, the newest assortment and its prices, taxes included.
INSERT INTO crm.products (sku, name, category, price, active, attributes, created_at)
SELECT sku, name, category, price, active, attributes, timestamptz '2025-06-02 08:00:00+00'
FROM (VALUES
    ('COF-101', 'House Espresso, whole beans, 1 kg',         'Coffee',     21.90, true,  '{"origin": "Brazil, India"}'::jsonb),
    ('COF-102', 'House Espresso, whole beans, 250 g',        'Coffee',      6.90, true,  '{"origin": "Brazil, India"}'),
    ('COF-103', 'Yirgacheffe, whole beans, 250 g',           'Coffee',     10.50, true,  '{"origin": "Ethiopia", "organic": true}'),
    ('COF-104', 'Sidamo, whole beans, 250 g',                'Coffee',      9.80, true,  '{"origin": "Ethiopia"}'),
    ('COF-105', 'Antigua, whole beans, 250 g',               'Coffee',      9.40, true,  '{"origin": "Guatemala"}'),
    ('COF-106', 'Huila, whole beans, 250 g',                 'Coffee',      8.90, true,  '{"origin": "Colombia"}'),
    ('COF-107', 'Huila decaffeinated, whole beans, 250 g',   'Coffee',      9.60, true,  '{"origin": "Colombia", "decaf": true}'),
    ('COF-108', 'Mandheling, whole beans, 250 g',            'Coffee',      9.90, true,  '{"origin": "Indonesia"}'),
    ('COF-109', 'Tarrazú, whole beans, 250 g',               'Coffee',     10.20, true,  '{"origin": "Costa Rica"}'),
    ('COF-110', 'Nyeri AA, whole beans, 250 g',              'Coffee',     11.90, true,  '{"origin": "Kenya"}'),
    ('COF-111', 'Filter blend, ground, 500 g',               'Coffee',      9.90, true,  '{"origin": "Brazil, Peru", "organic": true}'),
    ('COF-112', 'Winter roast, whole beans, 250 g',          'Coffee',      8.50, false, '{"season": "winter"}'),
    ('TEA-201', 'Darjeeling First Flush, 100 g',             'Tea',        12.90, true,  '{"origin": "India"}'),
    ('TEA-202', 'Assam, 250 g',                              'Tea',         9.80, true,  '{"origin": "India"}'),
    ('TEA-203', 'Ceylon Uva, 250 g',                         'Tea',         8.90, true,  '{"origin": "Sri Lanka"}'),
    ('TEA-204', 'Earl Grey, 250 g',                          'Tea',         8.50, true,  '{}'),
    ('TEA-205', 'East Frisian blend, 500 g',                 'Tea',        13.50, true,  '{}'),
    ('TEA-206', 'Sencha, 100 g',                             'Tea',        10.90, true,  '{"origin": "Japan"}'),
    ('TEA-207', 'Gyokuro, 50 g',                             'Tea',        19.90, true,  '{"origin": "Japan"}'),
    ('TEA-208', 'Longjing 龙井, 100 g',                      'Tea',        18.50, true,  '{"origin": "China"}'),
    ('TEA-209', 'Tieguanyin 铁观音, 100 g',                  'Tea',        14.90, true,  '{"origin": "China"}'),
    ('TEA-210', 'Pu’er 普洱, cake, 200 g',                   'Tea',        24.00, true,  '{"origin": "China"}'),
    ('TEA-211', 'Jasmine pearls, 100 g',                     'Tea',        13.90, true,  '{"origin": "China"}'),
    ('TEA-212', 'Peppermint, organic, 100 g',                'Tea',         4.90, true,  '{"organic": true}'),
    ('TEA-213', 'Rooibos vanilla, 250 g',                    'Tea',         7.20, true,  '{"origin": "South Africa"}'),
    ('BRW-301', 'Moka pot, 3 cups',                          'Brewing',    27.90, true,  '{}'),
    ('BRW-302', 'Moka pot, 6 cups',                          'Brewing',    34.90, true,  '{}'),
    ('BRW-303', 'French press, 1 l',                         'Brewing',    32.00, true,  '{}'),
    ('BRW-304', 'Pour-over dripper, porcelain, size 2',      'Brewing',    18.90, true,  '{}'),
    ('BRW-305', 'Filter papers, size 2, 100 pieces',         'Brewing',     4.20, true,  '{}'),
    ('BRW-306', 'Gooseneck kettle, 0.9 l',                   'Brewing',    54.00, true,  '{}'),
    ('BRW-307', 'Cold-brew carafe, 1 l',                     'Brewing',    26.50, true,  '{}'),
    ('BRW-308', 'Milk pitcher, 350 ml',                      'Brewing',    16.90, true,  '{}'),
    ('BRW-309', 'Tamper, 58 mm',                             'Brewing',    24.90, true,  '{}'),
    ('BRW-310', 'Tea strainer, stainless steel',             'Brewing',     7.90, true,  '{}'),
    ('BRW-311', 'Gaiwan, 120 ml',                            'Brewing',    15.90, true,  '{}'),
    ('BRW-312', 'Cast-iron teapot, 0.8 l',                   'Brewing',    64.00, true,  '{}'),
    ('MCH-401', 'Hand grinder, conical burrs',               'Machines',   79.00, true,  '{"warranty_months": 24}'),
    ('MCH-402', 'Electric grinder, flat burrs',              'Machines',  189.00, true,  '{"warranty_months": 24}'),
    ('MCH-403', 'Espresso machine, single boiler',           'Machines',  449.00, true,  '{"warranty_months": 36}'),
    ('MCH-404', 'Espresso machine, dual boiler',             'Machines', 1290.00, true,  '{"warranty_months": 36}'),
    ('MCH-405', 'Filter coffee maker, thermos jug',          'Machines',  139.00, true,  '{"warranty_months": 24}'),
    ('MCH-406', 'Electric kettle with thermostat',           'Machines',   69.00, true,  '{"warranty_months": 24}'),
    ('MCH-407', 'Milk frother, induction',                   'Machines',   84.50, true,  '{"warranty_months": 24}'),
    ('MCH-408', 'Descaler, 500 ml',                          'Machines',    8.90, true,  '{}'),
    ('CUP-501', 'Espresso cups, set of 6',                   'Cups',       29.90, true,  '{}'),
    ('CUP-502', 'Cappuccino cups, set of 4',                 'Cups',       31.50, true,  '{}'),
    ('CUP-503', 'Latte glasses, double wall, set of 2',      'Cups',       21.90, true,  '{}'),
    ('CUP-504', 'Stoneware mug, 300 ml',                     'Cups',       12.50, true,  '{"colours": ["sand", "slate", "moss"]}'),
    ('CUP-505', 'Travel mug, 400 ml',                        'Cups',       24.90, true,  '{}'),
    ('CUP-506', 'Tea bowls, set of 4',                       'Cups',       27.00, true,  '{}'),
    ('CUP-507', 'Glass teapot with infuser, 1 l',            'Cups',       33.90, true,  '{}'),
    ('CUP-508', 'Christmas mug 2025',                        'Cups',        9.90, false, '{"season": "winter"}'),
    ('SWT-601', 'Cantuccini, 250 g',                         'Sweets',      6.40, true,  '{}'),
    ('SWT-602', 'Dark chocolate 72 %, 100 g',                'Sweets',      4.50, true,  '{"organic": true}'),
    ('SWT-603', 'Speculoos, 300 g',                          'Sweets',      5.20, true,  '{}'),
    ('SWT-604', 'Candied ginger, 200 g',                     'Sweets',      5.90, true,  '{}'),
    ('SWT-605', 'Rock sugar, 500 g',                         'Sweets',      3.80, true,  '{}'),
    ('SWT-606', 'Acacia honey, 350 g',                       'Sweets',      7.90, true,  '{}'),
    ('SWT-607', 'Chocolate-covered coffee beans, 150 g',     'Sweets',      5.60, true,  '{}')
) AS assortment (sku, name, category, price, active, attributes);


-- Persons. Every country has ten given names and eight family names; no combination comes twice. What an
-- e-mail address cannot say as it is stands behind a slash.
INSERT INTO crm.customers (code, name, phone, email, address, region, gender, birth_date, owner, attributes, created_at)
SELECT format('C%s', 10000 + row_number() OVER (ORDER BY md5(country || k))),
       CASE WHEN family_first THEN shown[2] || shown[1] ELSE shown[1] || ' ' || shown[2] END,
       format('%s 555 %s', dial, lpad(pg_temp.draw('phone' || country || k, 1000000)::text, 6, '0')),
       format('%s.%s@example.%s', mail[1], mail[2],
              (ARRAY['com', 'net', 'org'])[1 + pg_temp.draw('mail' || country || k, 3)]),
       format(E'%s %s\n%s', streets[1 + pg_temp.draw('street' || country || k, 3)],
              1 + pg_temp.draw_low('house' || country || k, 120),
              cities[1 + pg_temp.draw_low('city' || country || k, 3)]),
       country,
       CASE WHEN k % 10 < 5 THEN 'female' ELSE 'male' END,
       CASE WHEN pg_temp.draw('tells' || country || k, 10) < 8
            THEN date '1948-01-01' + pg_temp.draw('birth' || country || k, 21500) END,
       owner,
       jsonb_build_object('newsletter', pg_temp.draw('news' || country || k, 10) < 4),
       timestamptz '2024-01-08 08:00:00+00' + pg_temp.draw('since' || country || k, 500 * 24 * 60) * interval '1 minute'
FROM (VALUES
    ('Germany', 72, 'Anna Berg', '+49', false,
     '{Katrin,Ulrike,Jasmin,Käthe/kaethe,Sabine,Jürgen/juergen,Matthias,Björn/bjoern,Tobias,Günter/guenter}'::text[],
     '{Müller/mueller,Schröder/schroeder,Weiß/weiss,Krüger/krueger,Hoffmann,Vogel,Jäger/jaeger,Brandt}'::text[],
     '{Lindenstraße,Bahnhofstraße,Am Markt}'::text[], '{"10245 Berlin","20095 Hamburg","80331 München"}'::text[]),
    ('France', 50, 'Zoé Martin', '+33', false,
     '{Chloé/chloe,Élodie/elodie,Camille,Agnès/agnes,Inès/ines,François/francois,Théo/theo,Loïc/loic,Jérôme/jerome,Antoine}',
     '{Lefèvre/lefevre,Girard,Béranger/beranger,Moreau,Gonçalves/goncalves,Dubois,Noël/noel,Roux}',
     '{rue des Lilas,avenue de la Gare,place du Marché}', '{"75011 Paris","69002 Lyon","44000 Nantes"}'),
    ('Poland', 36, 'Łukasz Zieliński', '+48', false,
     '{Małgorzata/malgorzata,Agnieszka,Żaneta/zaneta,Zofia,Ewa,Paweł/pawel,Łukasz/lukasz,Michał/michal,Grzegorz,Wojciech}',
     '{Nowak,Wójcik/wojcik,Mazur,Zając/zajac,Łoś/los,Gołąb/golab,Śliwa/sliwa,Dudek}',
     '{ul. Długa,ul. Kwiatowa,Rynek}', '{"00-238 Warszawa","31-042 Kraków","80-831 Gdańsk"}'),
    ('Spain', 34, 'Zoé Martin', '+34', false,
     '{Begoña/begona,Lucía/lucia,Inés/ines,Carmen,Nuria,José/jose,Iñigo/inigo,Andrés/andres,Ramón/ramon,Javier}',
     '{Muñoz/munoz,Peña/pena,Ibáñez/ibanez,García/garcia,Núñez/nunez,Ortega,Martínez/martinez,Vidal}',
     '{calle Mayor,avenida del Puerto,plaza de España}', '{"28013 Madrid","46002 València","41001 Sevilla"}'),
    ('Denmark', 28, 'Anna Berg', '+45', false,
     '{Søs/soes,Kirsten,Mette,Åse/aase,Freja,Søren/soeren,Jørgen/joergen,Lærke/laerke,Mads,Bjørn/bjoern}',
     '{Østergaard/oestergaard,Sørensen/soerensen,Kjær/kjaer,Nielsen,Møller/moeller,Højgaard/hoejgaard,Bæk/baek,Lund}',
     '{Nørregade,Strandvejen,Søndergade}', '{"1165 København","8000 Aarhus","5000 Odense"}'),
    ('United Kingdom', 44, 'Grace Okafor', '+44', false,
     '{Olivia,Siân/sian,Charlotte,Niamh,Priya,Harry,Callum,Rhys,Oluwaseun,Imran}',
     '{Whitfield,Ashworth,O’Connor/oconnor,Patel,Campbell,Jones,Adeyemi,Fairbairn}',
     '{Station Road,Mill Lane,High Street}', E'{"London\nE8 3RH","Leeds\nLS1 4DY","Edinburgh\nEH3 9LN"}'),
    ('Netherlands', 24, 'Anna Berg', '+31', false,
     '{Femke,Anouk,Noëlle/noelle,Saskia,Marijke,Joost,Daniël/daniel,Bram,Pieter,Ruben}',
     '{Visser,de Vries/devries,Bakker,van Dijk/vandijk,Mulder,Smit,Hoekstra,Kuiper}',
     '{Kerkstraat,Molenweg,Prinsengracht}', '{"1017 Amsterdam","3511 Utrecht","9712 Groningen"}'),
    ('China', 32, '李娜', '+86', true,
     '{芳/fang,秀英/xiuying,静/jing,婷/ting,晓梅/xiaomei,伟/wei,强/qiang,志明/zhiming,建国/jianguo,浩然/haoran}',
     '{王/wang,李/li,张/zhang,刘/liu,陈/chen,杨/yang,欧阳/ouyang,赵/zhao}',
     '{南京路,人民路,中山路}', '{"200001 上海","100010 北京","310000 杭州"}'),
    ('Japan', 16, '李娜', '+81', true,
     '{さくら/sakura,由美子/yumiko,葵/aoi,恵/megumi,美咲/misaki,健太/kenta,翔/sho,大輔/daisuke,誠/makoto,直樹/naoki}',
     '{佐藤/sato,鈴木/suzuki,高橋/takahashi,田中/tanaka,渡辺/watanabe,山本/yamamoto,中村/nakamura,小林/kobayashi}',
     '{銀座,神宮前,北浜}', '{"104-0061 東京都中央区","150-0001 東京都渋谷区","541-0041 大阪市中央区"}'),
    ('Türkiye', 14, 'Grace Okafor', '+90', false,
     '{Ayşe/ayse,Gülşen/gulsen,Çiğdem/cigdem,Elif,Zeynep,Oğuz/oguz,Mehmet,İbrahim/ibrahim,Barış/baris,Emre}',
     '{Yılmaz/yilmaz,Öztürk/ozturk,Şahin/sahin,Demir,Çelik/celik,Aydın/aydin,Doğan/dogan,Koç/koc}',
     '{İstiklal Caddesi,Atatürk Bulvarı,Çınar Sokak}', '{"34433 İstanbul","06420 Ankara","35220 İzmir"}'),
    ('Greece', 10, 'Grace Okafor', '+30', false,
     '{Ελένη/eleni,Μαρία/maria,Κατερίνα/katerina,Σοφία/sofia,Δήμητρα/dimitra,'
     'Γιώργος/giorgos,Νίκος/nikos,Δημήτρης/dimitris,Κώστας/kostas,Γιάννης/giannis}',
     '{Παππάς/pappas,Νικολαΐδης/nikolaidis,Οικονόμου/oikonomou,Βλάχος/vlachos,Αγγέλου/angelou,'
     'Γεωργίου/georgiou,Μακρής/makris,Δημητρίου/dimitriou}',
     '{Ερμού,Αθηνάς,Εγνατία}', '{"105 63 Αθήνα","546 24 Θεσσαλονίκη","262 21 Πάτρα"}')
) AS people (country, persons, owner, dial, family_first, given, family, streets, cities)
CROSS JOIN LATERAL generate_series(0, persons - 1) AS k
-- Each ten persons the family names move on by one, as 11 and 8 have no common divisor.
CROSS JOIN LATERAL (SELECT given[1 + k % 10] AS given_name, family[1 + (k + k / 10) % 8] AS family_name) AS n
CROSS JOIN LATERAL (SELECT ARRAY[split_part(given_name, '/', 1), split_part(family_name, '/', 1)] AS shown,
                           ARRAY[lower(coalesce(nullif(split_part(given_name, '/', 2), ''), given_name)),
                                 lower(coalesce(nullif(split_part(family_name, '/', 2), ''), family_name))] AS mail) AS written;

-- Cafés, hotels and offices: they buy more at a time, and are known by their custom fields.
INSERT INTO crm.customers (code, kind, name, phone, email, address, region, owner, attributes, created_at)
SELECT format('C%s', 20000 + number), 'company', name,
       format('%s 555 %s', dial, lpad(pg_temp.draw('phone' || name, 1000000)::text, 6, '0')),
       format('orders@company%s.example', number),
       format(E'%s %s\n%s', street, 1 + pg_temp.draw('house' || name, 90), city),
       region, owner, jsonb_build_object('business', business, 'payment_days', 14),
       timestamptz '2024-01-08 08:00:00+00' + pg_temp.draw('since' || name, 500 * 24 * 60) * interval '1 minute'
FROM (VALUES
    (1,  'Café Größenwahn GmbH',        'café',       'Germany',        '+49', 'Anna Berg',        'Oranienstraße',          '10997 Berlin'),
    (2,  'Kontor am Hafen KG',          'office',     'Germany',        '+49', 'Anna Berg',        'Am Sandtorkai',          '20457 Hamburg'),
    (3,  'Hotel Schwarzer Bär',         'hotel',      'Germany',        '+49', 'Anna Berg',        'Lutherplatz',            '07743 Jena'),
    (4,  'Rösterei Süd OHG',            'café',       'Germany',        '+49', 'Anna Berg',        'Königstraße',            '70173 Stuttgart'),
    (5,  'Bäckerei Öhmann',             'bakery',     'Germany',        '+49', 'Anna Berg',        'Kirchgasse',             '65183 Wiesbaden'),
    (6,  'Salon de thé L’Étoile',       'café',       'France',         '+33', 'Zoé Martin',       'rue Oberkampf',          '75011 Paris'),
    (7,  'Hôtel des Deux Ponts',        'hotel',      'France',         '+33', 'Zoé Martin',       'quai Saint-Antoine',     '69002 Lyon'),
    (8,  'Coworking Le Têtard',         'office',     'France',         '+33', 'Zoé Martin',       'rue Crébillon',          '44000 Nantes'),
    (9,  'Pâtisserie Gâteau d’Or',      'bakery',     'France',         '+33', 'Zoé Martin',       'cours de l’Intendance',  '33000 Bordeaux'),
    (10, 'Kawiarnia Pod Łabędziem',     'café',       'Poland',         '+48', 'Łukasz Zieliński', 'ul. Grodzka',            '31-006 Kraków'),
    (11, 'Hotel Nad Zatoką Sp. z o.o.', 'hotel',      'Poland',         '+48', 'Łukasz Zieliński', 'ul. Morska',             '81-323 Gdynia'),
    (12, 'Biuro Żuraw S.A.',            'office',     'Poland',         '+48', 'Łukasz Zieliński', 'ul. Piękna',             '00-549 Warszawa'),
    (13, 'Cafetería El Ñandú',          'café',       'Spain',          '+34', 'Zoé Martin',       'calle de la Palma',      '28004 Madrid'),
    (14, 'Hotel Mirador del Puerto',    'hotel',      'Spain',          '+34', 'Zoé Martin',       'paseo Marítimo',         '29016 Málaga'),
    (15, 'Panadería Hnos. Güell',       'bakery',     'Spain',          '+34', 'Zoé Martin',       'carrer de Verdi',        '08012 Barcelona'),
    (16, 'Kaffebaren Blåbær ApS',       'café',       'Denmark',        '+45', 'Anna Berg',        'Jægersborggade',         '2200 København'),
    (17, 'Strandhotellet Vesterklit',   'hotel',      'Denmark',        '+45', 'Anna Berg',        'Østre Strandvej',        '9990 Skagen'),
    (18, 'Kontorhuset Ærø',             'office',     'Denmark',        '+45', 'Anna Berg',        'Vestergade',             '5970 Ærøskøbing'),
    (19, 'The Copper Kettle Ltd',       'café',       'United Kingdom', '+44', 'Grace Okafor',     'Bridge Street',          E'York\nYO1 6DD'),
    (20, 'Harbour View Hotel',          'hotel',      'United Kingdom', '+44', 'Grace Okafor',     'Marine Parade',          E'Whitby\nYO21 3PR'),
    (21, 'Fern & Field Bakery',         'bakery',     'United Kingdom', '+44', 'Grace Okafor',     'Gloucester Road',        E'Bristol\nBS7 8NT'),
    (22, 'Millstone Offices Ltd',       'office',     'United Kingdom', '+44', 'Grace Okafor',     'Deansgate',              E'Manchester\nM3 4LQ'),
    (23, 'Caffè Sant’Elena S.r.l.',     'café',       'Italy',          '+39', 'Zoé Martin',       'via Garibaldi',          '16124 Genova'),
    (24, 'Albergo Tre Torri',           'hotel',      'Italy',          '+39', 'Zoé Martin',       'piazza Maggiore',        '40124 Bologna'),
    (25, 'Koffiehuis De Gouden Boon',   'café',       'Netherlands',    '+31', 'Anna Berg',        'Haarlemmerstraat',       '1013 Amsterdam'),
    (26, 'Hotel aan ’t IJ B.V.',        'hotel',      'Netherlands',    '+31', 'Anna Berg',        'Veemkade',               '1019 Amsterdam'),
    (27, 'Atelier Zuid',                'office',     'Netherlands',    '+31', 'Anna Berg',        'Witte de Withstraat',    '3012 Rotterdam'),
    (28, '清风茶馆',                    'teahouse',   'China',          '+86', '李娜',             '平江路',                 '215005 苏州'),
    (29, '上海梧桐咖啡有限公司',        'café',       'China',          '+86', '李娜',             '淮海中路',               '200020 上海'),
    (30, '湖畔小筑宾馆',                'hotel',      'China',          '+86', '李娜',             '北山街',                 '310007 杭州'),
    (31, '北京青松办公服务有限公司',    'office',     'China',          '+86', '李娜',             '中关村大街',             '100080 北京'),
    (32, '珈琲館すずらん',              'café',       'Japan',          '+81', '李娜',             '寺町通',                 '604-0925 京都市中京区'),
    (33, '株式会社ひまわり',            'office',     'Japan',          '+81', '李娜',             '大手町',                 '100-0004 東京都千代田区'),
    (34, 'Köşe Kahvesi Ltd. Şti.',      'café',       'Türkiye',        '+90', 'Grace Okafor',     'Bağdat Caddesi',         '34728 İstanbul'),
    (35, 'Otel Çınaraltı',              'hotel',      'Türkiye',        '+90', 'Grace Okafor',     'Kıbrıs Şehitleri',       '35220 İzmir'),
    (36, 'Καφενείο Η Αυλή',             'café',       'Greece',         '+30', 'Grace Okafor',     'Αδριανού',               '105 55 Αθήνα'),
    (37, 'Konditorei Sissi & Co.',      'bakery',     'Austria',        '+43', 'Anna Berg',        'Mariahilfer Straße',     '1060 Wien'),
    (38, 'Kaffi Norðurljós ehf.',       'café',       'Iceland',        '+354', 'Grace Okafor',    'Laugavegur',             '101 Reykjavík'),
    (39, 'Kavárna U Modré Růže',        'café',       'Czechia',        '+420', 'Łukasz Zieliński', 'Nerudova',              '118 00 Praha'),
    (40, 'Hotell Ängslyckan AB',        'hotel',      'Sweden',         '+46', 'Anna Berg',        'Storgatan',              '621 45 Visby')
) AS companies (number, name, business, region, dial, owner, street, city);


-- 3,000 orders over 365 days. The business grows a little, weekends are quiet, and November and December
-- are what they are in such a shop. Each day has as many orders as its part of all days' weights.
INSERT INTO crm.orders (reference, customer_id, owner, placed_at, attributes)
SELECT format('S-%s-%s', extract(year FROM day), lpad(number::text, 5, '0')), c.id, c.owner,
       placed_at,
       jsonb_build_object('channel', (ARRAY['web', 'web', 'web', 'web', 'phone', 'shop'])[1 + pg_temp.draw('channel' || number, 6)])
FROM (
    SELECT day, number,
           -- from 6 to 21 o'clock, in the order of the numbers
           (day + interval '6 hours'
            + (number - first + pg_temp.draw('minute' || number, 100) / 100.0) / orders * interval '15 hours')
           AT TIME ZONE 'UTC' AS placed_at
    FROM (
        SELECT day, reached AS last, lag(reached, 1, 0::bigint) OVER (ORDER BY day) + 1 AS first,
               reached - lag(reached, 1, 0::bigint) OVER (ORDER BY day) AS orders
        FROM (
            SELECT day, 3000 * sum(weight) OVER (ORDER BY day) / sum(weight) OVER () AS reached
            FROM (
                SELECT day, (800 + (day::date - date '2025-07-01'))
                            * CASE extract(isodow FROM day) WHEN 6 THEN 7 WHEN 7 THEN 5 WHEN 1 THEN 12 ELSE 10 END
                            * CASE extract(month FROM day) WHEN 11 THEN 15 WHEN 12 THEN 18 WHEN 8 THEN 8 ELSE 10 END AS weight
                FROM generate_series(timestamp '2025-07-01', timestamp '2026-06-30', interval '1 day') AS day
            ) AS weighed
        ) AS summed
    ) AS days
    CROSS JOIN LATERAL generate_series(first, last) AS number
) AS placed
-- Regular customers come often, the others once or twice. One order in five is of a company.
CROSS JOIN LATERAL (SELECT CASE WHEN pg_temp.draw('company' || number, 5) = 0
                                THEN format('C%s', 20001 + pg_temp.draw_low('who' || number, 40))
                                ELSE format('C%s', 10001 + pg_temp.draw_low('who' || number, 360)) END AS code) AS who
JOIN crm.customers AS c USING (code)
ORDER BY number;

-- One to five lines, no product twice. Before the first of January the prices were four per cent lower,
-- and from ten pieces on there is a discount of ten per cent.
INSERT INTO crm.order_lines (order_id, line_no, product_id, quantity, unit_price, discount)
SELECT order_id, row_number() OVER (PARTITION BY order_id ORDER BY n), product_id, quantity, unit_price,
       CASE WHEN quantity >= 10 THEN round(quantity * unit_price / 10, 2) ELSE 0 END
FROM (
    SELECT DISTINCT ON (o.id, p.id) o.id AS order_id, n, p.id AS product_id,
           CASE WHEN p.category = 'Machines' THEN 1
                WHEN c.kind = 'company' THEN 2 + pg_temp.draw_low('quantity' || o.reference || n, 30)
                ELSE 1 + pg_temp.draw_low('quantity' || o.reference || n, 5) END AS quantity,
           CASE WHEN o.placed_on < date '2026-01-01' THEN round(p.price * 0.96, 1) ELSE p.price END AS unit_price
    FROM crm.orders AS o
    JOIN crm.customers AS c ON c.id = o.customer_id
    CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.draw_low('lines' || o.reference, 5)) AS n
    -- Coffee and tea come first, and what is cheap sells more often. Goods of the season
    -- sell best of all in November and December, and not at any other time.
    JOIN (
        SELECT id, category, price,
               row_number() OVER (ORDER BY attributes ? 'season' DESC,
                                           sqrt(price) * (5 + pg_temp.draw(sku, 15))
                                           * CASE category WHEN 'Coffee' THEN 0.4 WHEN 'Tea' THEN 0.5 ELSE 1 END) - 1 AS place
        FROM crm.products
        WHERE sku ~ '^(COF|TEA|BRW|MCH|CUP|SWT)-[1-6]\d\d$'
    ) AS p ON p.place = CASE WHEN extract(month FROM o.placed_on) IN (11, 12)
                             THEN pg_temp.draw_low('product' || o.reference || n, 30 + pg_temp.draw('list' || o.reference || n, 31))
                             ELSE 2 + pg_temp.draw_low('product' || o.reference || n, 28 + pg_temp.draw('list' || o.reference || n, 31)) END
    WHERE o.reference ~ '^S-202[56]-\d{5}$'
    ORDER BY o.id, p.id, n
) AS chosen;

DROP FUNCTION pg_temp.draw_low(text, integer);
DROP FUNCTION pg_temp.draw(text, integer);

COMMIT;

ANALYZE crm.customers, crm.products, crm.orders, crm.order_lines, crm.order_events;
